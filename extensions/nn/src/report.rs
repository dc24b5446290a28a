//! How long work tells where it is: a bar, live metrics, a line of text. In a notebook by the runtime and the active run, elsewhere not at all.

/// Steps of known number, with time left.
pub struct Steps {
    #[cfg(feature = "cells")]
    bar: Option<ochre_runtime::Progress<std::ops::Range<u64>>>,
}

impl Steps {
    /// A bar under this label; none where it is to be quiet.
    #[cfg_attr(not(feature = "cells"), allow(unused_variables))]
    pub fn new(label: &str, total: u64, quiet: bool) -> Self {
        Self {
            #[cfg(feature = "cells")]
            bar: (!quiet).then(|| {
                let mut bar = ochre_runtime::progress(0..total).label(label).at_once();
                bar.next();
                bar
            }),
        }
    }

    /// One more step is done. Unwinds a cell that was interrupted.
    pub fn advance(&mut self) {
        #[cfg(feature = "cells")]
        if let Some(bar) = &mut self.bar {
            bar.next();
        }
    }
}

/// Bytes of a known number, counted in MiB.
#[cfg(feature = "web")]
pub struct Bytes {
    steps: Steps,
    shown: u64,
}

#[cfg(feature = "web")]
impl Bytes {
    const UNIT: u64 = 1 << 20;

    /// Of this many bytes.
    pub fn new(label: &str, total: u64) -> Self {
        Self { steps: Steps::new(&format!("{label} (MiB)"), total.div_ceil(Self::UNIT), false), shown: 0 }
    }

    /// So many are there.
    pub fn set(&mut self, have: u64) {
        while self.shown < have / Self::UNIT {
            self.shown += 1;
            self.steps.advance();
        }
    }
}

/// Points of metrics for the run that is active, if there is one when it is made.
pub struct Metrics {
    #[cfg(feature = "cells")]
    on: bool,
}

impl Metrics {
    /// Looks for a run once.
    #[cfg_attr(not(feature = "cells"), allow(unused_variables))]
    pub fn new(wanted: bool) -> Self {
        Self {
            #[cfg(feature = "cells")]
            on: wanted && ochre_logging::run::current().is_some(),
        }
    }

    /// Points at a step.
    #[cfg_attr(not(feature = "cells"), allow(unused_variables))]
    pub fn log(&self, points: &[(&str, f64)], step: u64) {
        #[cfg(feature = "cells")]
        if self.on {
            ochre_logging::run::log_metrics_at(points, step);
        }
    }

    /// What was asked for, once.
    #[cfg_attr(not(feature = "cells"), allow(unused_variables))]
    pub fn params(&self, params: &[(&str, String)]) {
        #[cfg(feature = "cells")]
        if self.on {
            ochre_logging::run::log_params(params);
        }
    }
}

/// Something that the user should know now.
pub fn say(text: &str) {
    eprintln!("{text}");
}
