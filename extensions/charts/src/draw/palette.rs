//! Colours: those of vega-lite, so that the PNG looks like the live chart.
use super::canvas::Rgb;

/// Vega's `tableau10`.
const NAMES: [Rgb; 10] = [
    Rgb(0x4c, 0x78, 0xa8),
    Rgb(0xf5, 0x85, 0x18),
    Rgb(0xe4, 0x57, 0x56),
    Rgb(0x72, 0xb7, 0xb2),
    Rgb(0x54, 0xa2, 0x4b),
    Rgb(0xee, 0xca, 0x3b),
    Rgb(0xb2, 0x79, 0xa2),
    Rgb(0xff, 0x9d, 0xa6),
    Rgb(0x9d, 0x75, 0x5d),
    Rgb(0xba, 0xb0, 0xac),
];

/// Eleven steps of matplotlib's `viridis`, from low to high.
const VIRIDIS: [Rgb; 11] = [
    Rgb(0x44, 0x01, 0x54),
    Rgb(0x48, 0x25, 0x76),
    Rgb(0x41, 0x44, 0x87),
    Rgb(0x35, 0x5f, 0x8d),
    Rgb(0x2a, 0x78, 0x8e),
    Rgb(0x21, 0x91, 0x8c),
    Rgb(0x22, 0xa8, 0x84),
    Rgb(0x44, 0xbf, 0x70),
    Rgb(0x7a, 0xd1, 0x51),
    Rgb(0xbd, 0xdf, 0x26),
    Rgb(0xfd, 0xe7, 0x25),
];

/// The colour of the n-th name; from the eleventh on they come again, lighter.
pub fn name(at: usize) -> Rgb {
    let Rgb(r, g, b) = NAMES[at % NAMES.len()];
    let rounds = (at / NAMES.len()).min(3);
    let lighter = |channel: u8| (0..rounds).fold(channel, |channel, _| channel + (255 - channel) / 3);
    Rgb(lighter(r), lighter(g), lighter(b))
}

/// The colour of a share between 0 and 1.
pub fn ramp(share: f64) -> Rgb {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place as usize).min(VIRIDIS.len() - 2);
    let (Rgb(r0, g0, b0), Rgb(r1, g1, b1)) = (VIRIDIS[below], VIRIDIS[below + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * (place - below as f64)).round() as u8;
    Rgb(mix(r0, r1), mix(g0, g1), mix(b0, b1))
}

/// As CSS writes it.
pub fn hex(Rgb(r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}
