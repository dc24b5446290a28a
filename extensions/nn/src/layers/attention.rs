//! Attention of a sequence to itself or to another, and the block that transformers are made of. Sequences are `[N, T, width]`: the batch comes first.
use super::precision::heavy;
use super::{Dropout, LayerNorm, Linear, python};
use crate::module::Module;
use crate::slot::Slot;
use ochre_tensors::functional::{linear, scaled_dot_product_attention};
use ochre_tensors::{DType, Device, Tensor, TensorError, interrupt};

/// Several attentions beside each other: each looks at the sequence in a space of its own. PyTorch's parameters, with `batch_first`.
pub struct MultiheadAttention {
    /// Queries, keys and values in one, `[3 width, width]`.
    weight: Slot,
    bias: Slot,
    out_proj: Linear,
    width: usize,
    heads: usize,
    causal: bool,
}

impl MultiheadAttention {
    /// Of sequences of this width, which the number of heads divides.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn new(width: usize, heads: usize) -> Self {
        assert!(heads > 0 && width % heads == 0, "MultiheadAttention: a width of {width} cannot be cut into {heads} heads");
        // Xavier's: even within sqrt(6 / (inputs + outputs)).
        let bound = (6.0 / (4 * width) as f64).sqrt();
        let weight = Tensor::uniform_on(&[3 * width, width], -bound, bound, DType::F32, &Device::Cpu);
        let out = Linear::new(width, width);
        let out_proj = Linear::from_tensors(&out.weight(), Some(&Tensor::zeros(&[width])));
        Self { weight: Slot::parameter(&weight), bias: Slot::parameter(&Tensor::zeros(&[3 * width])), out_proj, width, heads, causal: false }
    }

    /// Whether a place sees only those before it and itself (false): for models that write on.
    pub fn causal(mut self, causal: bool) -> Self {
        self.causal = causal;
        self
    }

    /// What each place of the input takes from the others: `[N, T, width]`, as [`Module::forward`].
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        self.attend(input, input, input, None)
    }

    /// What each of the queries `[N, T, width]` takes from the values `[N, S, width]`, by how it fits the keys `[N, S, width]`. A mask broadcasts to
    /// `[N, heads, T, S]`: of Bool, true where a query may look (PyTorch's layer has it the other way round); of floats, added to the scores.
    #[track_caller]
    pub fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor, mask: Option<&Tensor>) -> Tensor {
        if [query, key, value].iter().any(|t| t.rank() != 3 || t.dim(2) != self.width) {
            let problem = format!("queries {:?}, keys {:?} and values {:?} have to be [N, T, {}]", query.shape(), key.shape(), value.shape(), self.width);
            interrupt::fail(&TensorError::Shape { operation: "MultiheadAttention", problem });
        }
        let (weight, bias) = (self.weight.get(), self.bias.get());
        let (w, h) = (self.width, self.heads);
        let part = |place: usize| (heavy(&weight.narrow(0, place * w, w)), heavy(&bias.narrow(0, place * w, w)));
        let (wq, bq) = part(0);
        let (wk, bk) = part(1);
        let (wv, bv) = part(2);
        let (q, k, v) = (linear(&heavy(query), &wq, Some(&bq)), linear(&heavy(key), &wk, Some(&bk)), linear(&heavy(value), &wv, Some(&bv)));
        let (n, t, s, each) = (query.dim(0) as i64, query.dim(1) as i64, key.dim(1) as i64, (w / h) as i64);
        // [N, heads, T, width / heads]
        let (q, k, v) = (q.reshape(&[n, t, h as i64, each]), k.reshape(&[n, s, h as i64, each]), v.reshape(&[n, s, h as i64, each]));
        let seen = scaled_dot_product_attention(&q.transpose(1, 2), &k.transpose(1, 2), &v.transpose(1, 2), mask, self.causal);
        self.out_proj.forward(&seen.transpose(1, 2).reshape(&[n, t, w as i64]))
    }
}

impl Module for MultiheadAttention {
    fn forward(&self, input: &Tensor) -> Tensor {
        let output = Self::forward(self, input);
        super::traced(self, &output);
        output
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        vec![("in_proj_weight", &self.weight), ("in_proj_bias", &self.bias)]
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![("out_proj".to_owned(), &self.out_proj)]
    }

    fn describe(&self) -> String {
        format!("MultiheadAttention(embed_dim={}, num_heads={}, causal={})", self.width, self.heads, python(self.causal))
    }
}

/// A block of a transformer: attention and two linear layers, each beside a short cut and with a norm. Several of them go into a `Sequential`.
pub struct TransformerEncoderLayer {
    self_attn: MultiheadAttention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
    dropout: Dropout,
    width: usize,
    norm_first: bool,
    gelu: bool,
}

impl TransformerEncoderLayer {
    /// Of sequences `[N, T, width]`; 2048 wide inside, a dropout of 0.1, ReLU, norms last: PyTorch's defaults, but that the batch comes first.
    ///
    /// # Panics
    /// The heads do not divide the width.
    #[track_caller]
    pub fn new(width: usize, heads: usize) -> Self {
        Self {
            self_attn: MultiheadAttention::new(width, heads),
            linear1: Linear::new(width, 2048),
            linear2: Linear::new(2048, width),
            norm1: LayerNorm::new(&[width]),
            norm2: LayerNorm::new(&[width]),
            dropout: Dropout::new(0.1),
            width,
            norm_first: false,
            gelu: false,
        }
    }

    /// Width between its two linear layers (2048).
    pub fn hidden(mut self, hidden: usize) -> Self {
        (self.linear1, self.linear2) = (Linear::new(self.width, hidden), Linear::new(hidden, self.width));
        self
    }

    /// How much is dropped in training (0.1).
    ///
    /// # Panics
    /// The probability is not within 0 and 1.
    #[track_caller]
    pub fn dropout(mut self, probability: f64) -> Self {
        self.dropout = Dropout::new(probability);
        self
    }

    /// Whether norms come before attention and linear layers (false): that trains more easily.
    pub fn norm_first(mut self, first: bool) -> Self {
        self.norm_first = first;
        self
    }

    /// GELU between the linear layers in place of ReLU.
    pub fn gelu(mut self) -> Self {
        self.gelu = true;
        self
    }

    /// Whether a place sees only those before it and itself (false).
    pub fn causal(mut self, causal: bool) -> Self {
        self.self_attn.causal = causal;
        self
    }

    /// `[N, T, width]` to the same shape, as [`Module::forward`].
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        if self.norm_first {
            let x = input + &self.dropout.forward(&self.self_attn.forward(&self.norm1.forward(input)));
            return &x + &self.inner(&self.norm2.forward(&x));
        }
        let x = self.norm1.forward(&(input + &self.dropout.forward(&self.self_attn.forward(input))));
        self.norm2.forward(&(&x + &self.inner(&x)))
    }

    #[track_caller]
    fn inner(&self, x: &Tensor) -> Tensor {
        let hidden = self.linear1.forward(x);
        let hidden = if self.gelu { hidden.gelu() } else { hidden.relu() };
        self.dropout.forward(&self.linear2.forward(&self.dropout.forward(&hidden)))
    }
}

impl Module for TransformerEncoderLayer {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        let all: [(&str, &dyn Module); 6] = [
            ("self_attn", &self.self_attn),
            ("linear1", &self.linear1),
            ("dropout", &self.dropout),
            ("linear2", &self.linear2),
            ("norm1", &self.norm1),
            ("norm2", &self.norm2),
        ];
        all.into_iter().map(|(name, layer)| (name.to_owned(), layer)).collect()
    }

    fn describe(&self) -> String {
        "TransformerEncoderLayer".to_owned()
    }
}
