//! `ochre::summary(&model, &[1, 3, 32, 32])`: layers, shapes and parameters as a table, as torchinfo's.
use crate::layers::Trace;
use crate::module::{Module, device_of, in_use};
use ochre_tensors::Tensor;

/// A model as a table; shown by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Every layer, containers before what is in them.
    pub rows: Vec<Row>,
    /// Learnt elements.
    pub parameters: usize,
    /// Bytes of parameters and buffers.
    pub bytes: usize,
    /// The shape that was put in.
    pub input: Vec<usize>,
    /// The shape that came out.
    pub output: Vec<usize>,
}

/// A layer in a [`Summary`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// How deep in the tree it is.
    pub depth: usize,
    /// Its name with those above it: `1.body.0`.
    pub name: String,
    /// As PyTorch prints it.
    pub layer: String,
    /// What it gave, where that was seen: layers of this crate and what is in its containers.
    pub output: Option<Vec<usize>>,
    /// Learnt elements, with those of what is in it.
    pub parameters: usize,
}

/// The layers of a model, with the shapes that come out for an input of this shape (f32 zeros are put in). The model stays as it was.
///
/// # Panics
/// The model does not take such an input.
#[track_caller]
pub fn summary(model: &dyn Module, input: &[usize]) -> Summary {
    summary_with(model, &Tensor::zeros(input))
}

/// [`summary`] with a given input, for models that take other types than f32.
#[track_caller]
pub fn summary_with(model: &dyn Module, input: &Tensor) -> Summary {
    let mut output = Vec::new();
    let input = input.to_device(&device_of(model));
    let trace = in_use(model, || Trace::of(|| output = model.forward(&input).shape().to_vec()));
    let all = model.everything();
    let bytes = all.iter().map(|(_, slot)| slot.get().len() * slot.get().dtype().size()).sum();
    let mut rows = vec![Row { depth: 0, name: String::new(), layer: model.describe(), output: Some(output.clone()), parameters: model.parameter_count() }];
    descend(model, "", 1, &trace, &mut rows);
    Summary { rows, parameters: model.parameter_count(), bytes, input: input.shape().to_vec(), output }
}

fn descend(parent: &dyn Module, above: &str, depth: usize, trace: &Trace, rows: &mut Vec<Row>) {
    for (index, (own, child)) in parent.children().into_iter().enumerate() {
        let name = if above.is_empty() { own } else { format!("{above}.{own}") };
        let output = trace.shape(parent, index, child).map(<[usize]>::to_vec);
        rows.push(Row { depth, name: name.clone(), layer: child.describe(), output, parameters: child.parameter_count() });
        descend(child, &name, depth + 1, trace, rows);
    }
}

impl Summary {
    /// The table's cells as text, without the head.
    pub(crate) fn cells(&self) -> Vec<[String; 4]> {
        let shape = |row: &Row| row.output.as_ref().map(|s| format!("{s:?}")).unwrap_or_default();
        let count = |row: &Row| if row.parameters == 0 { String::new() } else { grouped(row.parameters) };
        self.rows.iter().map(|row| [format!("{}{}", "  ".repeat(row.depth), row.name), row.layer.clone(), shape(row), count(row)]).collect()
    }

    /// What stands below the table.
    pub(crate) fn totals(&self) -> String {
        format!("{} parameters, {} of memory, input {:?}", grouped(self.parameters), size(self.bytes), self.input)
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rows = vec![["name", "layer", "output", "parameters"].map(str::to_owned)];
        rows.extend(self.cells());
        let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2), width(3)];
        for row in &rows {
            let line = format!("{:<a$}  {:<b$}  {:<c$}  {:>d$}", row[0], row[1], row[2], row[3], a = widths[0], b = widths[1], c = widths[2], d = widths[3]);
            writeln!(f, "{}", line.trim_end())?;
        }
        f.write_str(&self.totals())
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as people read them.
fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
