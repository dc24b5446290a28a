//! `Embedding`: a learnt row for each number.
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::Tensor;

/// Numbers (i64, of any shape) to rows of a learnt table: `[…]` to `[…, width]`.
pub struct Embedding {
    weight: Slot,
    padding: Option<usize>,
}

impl Embedding {
    /// `count` rows of `width`, normally distributed, as PyTorch's.
    pub fn new(count: usize, width: usize) -> Self {
        Self { weight: Slot::parameter(&Tensor::randn(&[count, width])), padding: None }
    }

    /// From a table `[count, width]`.
    pub fn from_tensor(weight: &Tensor) -> Self {
        Self { weight: Slot::parameter(weight), padding: None }
    }

    /// The number that stands for nothing, with which sequences are filled up: its row becomes zeros, and is not learnt.
    ///
    /// # Panics
    /// The table has no such row.
    #[track_caller]
    pub fn padding(mut self, number: usize) -> Self {
        let weight = self.weight.get().detach();
        let count = weight.dim(0);
        assert!(number < count, "Embedding: {number} stands for nothing, but the rows are 0 to {}", count.saturating_sub(1));
        let rows = Tensor::arange(0, count as i64, 1).to_device(&weight.device()).unsqueeze(1);
        self.weight.set(&weight.masked_fill(&rows.eq(number as i64), 0.0));
        self.padding = Some(number);
        self
    }

    /// The table.
    pub fn weight(&self) -> Tensor {
        self.weight.get()
    }
}

impl Embedding {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let rows = input.embedding(&self.weight.get());
        let output = match self.padding {
            // The values as they are, without a gradient.
            Some(number) => Tensor::where_cond(&input.eq(number as i64).unsqueeze(-1), &rows.detach(), &rows),
            None => rows,
        };
        super::traced(self, &output);
        output
    }
}

impl Module for Embedding {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        vec![("weight", &self.weight)]
    }

    fn describe(&self) -> String {
        let weight = self.weight.get();
        let padding = self.padding.map_or_else(String::new, |number| format!(", padding_idx={number}"));
        format!("Embedding({}, {}{padding})", weight.dim(0), weight.dim(-1))
    }
}
