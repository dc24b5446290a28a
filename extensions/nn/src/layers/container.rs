//! Layers made of layers: one after the other, beside a short cut, or any function.
//!
//! Containers tell the summary which shapes came out (`traced`): it walks the tree of children and asks for what was seen at each place.
use crate::module::Module;
use ochre_tensors::Tensor;
use ochre_tensors::interrupt::within;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Layers one after the other: `Sequential::new().add(nn::Conv2d::new(3, 16, 3)).add(nn::Relu)`.
#[derive(Default)]
pub struct Sequential {
    layers: Vec<Part>,
}

/// A layer, its name, and what an error in it is told with.
struct Part {
    name: String,
    layer: Box<dyn Module>,
    place: Arc<str>,
}

impl Sequential {
    /// Without layers: gives what it gets.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more layer at the end; its name is its number, as in PyTorch.
    #[allow(clippy::should_implement_trait)]
    pub fn add(self, layer: impl Module + 'static) -> Self {
        let name = self.layers.len().to_string();
        self.push(name, Box::new(layer))
    }

    /// One more layer at the end, under a name of its own.
    pub fn named(self, name: &str, layer: impl Module + 'static) -> Self {
        self.push(name.to_owned(), Box::new(layer))
    }

    fn push(mut self, name: String, layer: Box<dyn Module>) -> Self {
        let place = format!("layer {name} of Sequential, {}", layer.describe()).into();
        self.layers.push(Part { name, layer, place });
        self
    }

    /// Number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl Sequential {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let mut x = input.clone();
        for (index, part) in self.layers.iter().enumerate() {
            let _within = within(&part.place, x.shape());
            x = part.layer.forward(&x);
            seen(Place::Child(address(self), index), &x);
        }
        x
    }
}

impl Module for Sequential {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        self.layers.iter().map(|part| (part.name.clone(), &*part.layer)).collect()
    }

    fn describe(&self) -> String {
        "Sequential".to_owned()
    }
}

impl std::fmt::Display for Sequential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::module::tree(self))
    }
}

impl std::fmt::Debug for Sequential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::module::tree(self))
    }
}

/// `body(x) + x`, or `body(x) + shortcut(x)` where the shapes differ.
pub struct Residual {
    body: Box<dyn Module>,
    shortcut: Option<Box<dyn Module>>,
}

impl Residual {
    /// Adds its input to what `body` makes of it.
    pub fn new(body: impl Module + 'static) -> Self {
        Self { body: Box::new(body), shortcut: None }
    }

    /// What the input passes on its short way: a convolution of size 1 that changes channels or size.
    pub fn shortcut(mut self, layer: impl Module + 'static) -> Self {
        self.shortcut = Some(Box::new(layer));
        self
    }
}

impl Residual {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        let long = self.body.forward(input);
        seen(Place::Child(address(self), 0), &long);
        let Some(shortcut) = &self.shortcut else { return &long + input };
        let short = shortcut.forward(input);
        seen(Place::Child(address(self), 1), &short);
        &long + &short
    }
}

impl Module for Residual {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        let body: (String, &dyn Module) = ("body".to_owned(), &*self.body);
        std::iter::once(body).chain(self.shortcut.as_deref().map(|s| ("shortcut".to_owned(), s))).collect()
    }

    fn describe(&self) -> String {
        "Residual".to_owned()
    }
}

/// What a [`Lambda`] calls.
type Function = Box<dyn Fn(&Tensor) -> Tensor + Send + Sync>;

/// Any function as a layer without parameters: `Lambda::new("mean over time", |x| x.mean_dim(1))`.
pub struct Lambda {
    name: String,
    function: Function,
}

impl Lambda {
    /// The name is for summaries.
    pub fn new(name: &str, function: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static) -> Self {
        Self { name: name.to_owned(), function: Box::new(function) }
    }
}

impl Lambda {
    /// What it makes of an input, as [`Module::forward`]; what does not fit is told with the line of this call.
    #[track_caller]
    pub fn forward(&self, input: &Tensor) -> Tensor {
        (self.function)(input)
    }
}

impl Module for Lambda {
    fn forward(&self, input: &Tensor) -> Tensor {
        Self::forward(self, input)
    }

    fn describe(&self) -> String {
        format!("Lambda({})", self.name)
    }
}

/// Where in a model an output was seen.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    /// A container's address and the number of the child.
    Child(usize, usize),
    /// A layer with parameters: its address, and what it is (its first field has the same address).
    Layer(usize, String),
}

/// The shapes of outputs at places, of the first pass.
#[derive(Default)]
pub(crate) struct Trace(HashMap<Place, Vec<usize>>);

thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

fn address<T: ?Sized>(module: &T) -> usize {
    std::ptr::from_ref(module).cast::<()>() as usize
}

fn seen(place: Place, output: &Tensor) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(Trace(shapes)) = trace {
            shapes.entry(place).or_insert_with(|| output.shape().to_vec());
        }
    });
}

/// Notes the output of a layer with parameters, while somebody traces.
pub(crate) fn traced(layer: &dyn Module, output: &Tensor) {
    if TRACE.with_borrow(Option::is_some) {
        seen(Place::Layer(address(layer), layer.describe()), output);
    }
}

/// Takes the trace away also when the work panics.
struct Untrace;

impl Drop for Untrace {
    fn drop(&mut self) {
        TRACE.take();
    }
}

impl Trace {
    /// What is seen while `work` runs on this thread.
    pub fn of(work: impl FnOnce()) -> Self {
        TRACE.set(Some(Self::default()));
        let _untrace = Untrace;
        work();
        TRACE.take().unwrap_or_default()
    }

    /// The shape that came out of the `index`th child of `parent`.
    pub fn shape(&self, parent: &dyn Module, index: usize, child: &dyn Module) -> Option<&[usize]> {
        let by_parent = self.0.get(&Place::Child(address(parent), index));
        by_parent.or_else(|| self.0.get(&Place::Layer(address(child), child.describe()))).map(Vec::as_slice)
    }
}
