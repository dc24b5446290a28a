//! The text of a kernel that does several element-wise operations: CUDA C over the same `operations.cuh` that the separate kernels are made of.
//!
//! Each operation's result is rounded to its element type, as if it had been stored, and no multiplication joins an addition: the bits are those
//! of separate kernels. (Functions such as `exp` are NVRTC's own; those in the binary are of the NVRTC that `tests/gpu/ptx.txt` names.)
use super::step::{Kind, Step};
use crate::DType;
use std::fmt::Write;

/// Where an operand comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Place {
    Leaf(u8),
    Step(u8),
}

/// How a tensor that is read lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Leaf {
    /// As the result.
    Flat,
    /// One element for all.
    Single,
    /// Any strides.
    Strided,
}

/// What a kernel does: all that its text depends on.
pub(super) struct Plan {
    pub leaves: Vec<(DType, Leaf)>,
    /// Operands before their users.
    pub steps: Vec<(Step, Vec<Place>)>,
    /// Steps whose results are stored.
    pub outputs: Vec<u8>,
}

/// The headers that the text includes.
pub(super) const HEADERS: [(&str, &str); 3] = [
    ("common.cuh", include_str!("kernels/common.cuh")),
    ("operations.cuh", include_str!("kernels/operations.cuh")),
    ("fused.cuh", include_str!("kernels/fused.cuh")),
];

impl Step {
    /// The numbers that are arguments of the kernel.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        let count = match (self.kind, self.name) {
            (Kind::One, "affine" | "clamp") => 2,
            (Kind::One, "leaky_relu" | "elu" | "div_by" | "div_into" | "pow") | (Kind::Two, "leaky_relu_back" | "elu_back") => 1,
            _ => 0,
        };
        [self.p, self.q].into_iter().take(count)
    }
}

impl Plan {
    /// The same for plans with the same text.
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(32 + 16 * self.steps.len());
        for &(dtype, leaf) in &self.leaves {
            key.extend([dtype as u8, leaf as u8]);
        }
        for (step, operands) in &self.steps {
            key.extend([0xff, step.kind as u8, step.from as u8, step.to as u8]);
            key.extend(step.name.bytes());
            key.extend(operands.iter().map(|place| match *place {
                Place::Leaf(at) => 0x80 | at,
                Place::Step(at) => 0xc0 | at,
            }));
        }
        key.push(0xfe);
        key.extend(&self.outputs);
        key
    }

    /// Size of the widest element that is read or stored.
    pub fn widest(&self) -> usize {
        let stored = self.outputs.iter().map(|&at| self.steps[usize::from(at)].0.to);
        self.leaves.iter().map(|(dtype, _)| *dtype).chain(stored).map(DType::size).max().unwrap_or(1)
    }

    /// The kernel, whose name is `name`.
    pub fn text(&self, name: &str) -> String {
        let mut text = "#include \"fused.cuh\"\n".to_owned();
        // Writing to a string does not fail.
        let _ = self.arguments(&mut text).and_then(|()| self.body(&mut text, name));
        text
    }

    fn strided(&self) -> usize {
        self.leaves.iter().filter(|(_, leaf)| *leaf == Leaf::Strided).count()
    }

    fn arguments(&self, text: &mut String) -> std::fmt::Result {
        let numbers = self.steps.iter().map(|(step, _)| step.numbers().count()).sum::<usize>();
        writeln!(text, "struct FusedArgs {{\n    u64 count;")?;
        if !self.leaves.is_empty() {
            writeln!(text, "    const void *in[{}];", self.leaves.len())?;
        }
        writeln!(text, "    void *out[{}];", self.outputs.len())?;
        if numbers > 0 {
            writeln!(text, "    double p[{numbers}];")?;
        }
        if self.strided() > 0 {
            writeln!(text, "    u32 packs, whole;\n    Shape shape;\n    Strides strides[{}];", self.strided())?;
        }
        writeln!(text, "}};")
    }

    fn body(&self, text: &mut String, name: &str) -> std::fmt::Result {
        let (is_strided, width) = (self.strided() > 0, 16 / self.widest());
        writeln!(text, "KERNEL({name}, FusedArgs) {{\n    constexpr int N = {width};")?;
        let (first, live) = if is_strided { ("a.packs ? thread_number() * N : thread_number()", "a.packs ? a.count - i : 1") } else { ("thread_number() * N", "a.count - i") };
        writeln!(text, "    u64 i = {first};\n    if (i >= a.count) return;\n    u64 live = {live};")?;
        let mut strided = 0;
        for (at, &(dtype, leaf)) in self.leaves.iter().enumerate() {
            let t = name_of(dtype);
            match leaf {
                Leaf::Flat => writeln!(text, "    auto x{at} = load_live<{t}, N>((const {t} *)a.in[{at}] + i, 1, 1, live);")?,
                Leaf::Single => writeln!(text, "    {t} x{at} = *(const {t} *)a.in[{at}];")?,
                Leaf::Strided => {
                    let start = format!("(const {t} *)a.in[{at}] + offset_of(a.shape, a.strides[{strided}], i)");
                    writeln!(text, "    auto x{at} = load_live<{t}, N>({start}, a.strides[{strided}].of[a.shape.rank - 1], a.whole >> {strided} & 1, live);")?;
                    strided += 1;
                }
            }
        }
        for (place, &at) in self.outputs.iter().enumerate() {
            writeln!(text, "    Pack<{}, N> y{place};", name_of(self.steps[usize::from(at)].0.to))?;
        }
        writeln!(text, "#pragma unroll\n    for (int k = 0; k < N; k++)\n        if (k < live) {{")?;
        let mut number = 0;
        for (at, (step, operands)) in self.steps.iter().enumerate() {
            let values: Vec<String> = operands.iter().map(|place| self.value(*place)).collect();
            let expression = expression(step, &values, &mut number);
            writeln!(text, "            {} v{at} = {expression};", name_of(step.to))?;
        }
        for (place, &at) in self.outputs.iter().enumerate() {
            writeln!(text, "            y{place}.of[k] = v{at};")?;
        }
        writeln!(text, "        }}")?;
        for (place, &at) in self.outputs.iter().enumerate() {
            writeln!(text, "    store_live(({} *)a.out[{place}] + i, y{place}, live);", name_of(self.steps[usize::from(at)].0.to))?;
        }
        writeln!(text, "}}")
    }

    fn value(&self, place: Place) -> String {
        match place {
            Place::Step(at) => format!("v{at}"),
            Place::Leaf(at) if self.leaves[usize::from(at)].1 == Leaf::Single => format!("x{at}"),
            Place::Leaf(at) => format!("x{at}.of[k]"),
        }
    }
}

/// One operation in its wide type, rounded to its element type.
fn expression(step: &Step, values: &[String], number: &mut usize) -> String {
    let (to, wide) = (name_of(step.to), wide_of(step.from));
    let mut next: Vec<String> = step.numbers().enumerate().map(|(n, _)| format!("down<{wide}>(a.p[{}])", *number + n)).collect();
    *number += next.len();
    next.resize(2, format!("({wide})0"));
    match step.kind {
        Kind::One => format!("down<{to}>(one_{}(up({}), {}, {}))", step.name, values[0], next[0], next[1]),
        Kind::Two => format!("down<{to}>(two_{}(up({}), up({}), {}))", step.name, values[0], values[1], next[0]),
        Kind::Cast => format!("down<{to}>(up({}))", values[0]),
        Kind::Select => format!("{} ? {} : {}", values[0], values[1], values[2]),
    }
}

fn name_of(dtype: DType) -> &'static str {
    // `bool` is a word of C++.
    if dtype == DType::Bool { "boolean" } else { dtype.name() }
}

/// `Wide` of `common.cuh`.
fn wide_of(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 | DType::BF16 | DType::F32 => "float",
        DType::F64 => "double",
        _ => "i64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{BF16, Bool, F32, F64, I32};

    /// `sigmoid(relu(x * 2 + 1) * y - x)`, all of one type and as the result lies.
    fn chain() -> Plan {
        let one = |name| Step::one(name, F32, F32, 2.0, 1.0);
        let two = |name| Step::two(name, F32, F32);
        Plan {
            leaves: vec![(F32, Leaf::Flat), (F32, Leaf::Flat)],
            steps: vec![
                (one("affine"), vec![Place::Leaf(0)]),
                (one("relu"), vec![Place::Step(0)]),
                (two("mul"), vec![Place::Step(1), Place::Leaf(1)]),
                (two("sub"), vec![Place::Step(2), Place::Leaf(0)]),
                (one("sigmoid"), vec![Place::Step(3)]),
            ],
            outputs: vec![4],
        }
    }

    /// Products and sums of several types, operands of all kinds, a choice, two results.
    fn arithmetic() -> Plan {
        Plan {
            leaves: vec![(BF16, Leaf::Strided), (F32, Leaf::Single), (F64, Leaf::Flat), (I32, Leaf::Strided), (Bool, Leaf::Flat)],
            steps: vec![
                (Step::cast(BF16, F32), vec![Place::Leaf(0)]),
                (Step::two("mul", F32, F32), vec![Place::Step(0), Place::Leaf(1)]),
                (Step::two("add", F32, F32), vec![Place::Step(1), Place::Step(0)]),
                (Step::cast(F32, F64), vec![Place::Step(2)]),
                (Step::two("mul", F64, F64), vec![Place::Step(3), Place::Leaf(2)]),
                (Step::one("affine", F64, F64, 0.5, 0.25), vec![Place::Step(4)]),
                (Step::cast(I32, F64), vec![Place::Leaf(3)]),
                (Step::select(F64), vec![Place::Leaf(4), Place::Step(5), Place::Step(6)]),
                (Step::cast(F64, BF16), vec![Place::Step(7)]),
                (Step::two("lt", BF16, Bool), vec![Place::Step(8), Place::Leaf(0)]),
            ],
            outputs: vec![8, 9],
        }
    }

    /// `tests/gpu/ptx.py` compiles these with NVRTC and looks at the machine code.
    #[test]
    fn the_texts_are_those_that_are_compiled_in_the_ptx_test() {
        let made = format!("{}{}", chain().text("fused_chain"), arithmetic().text("fused_arithmetic").replace("FusedArgs", "OtherArgs"));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/gpu/fused.cu");
        if std::env::var_os("OCHRE_WRITE_EXPECTED").is_some() {
            std::fs::write(&path, &made).expect("writable");
        }
        let expected = std::fs::read_to_string(&path).expect("tests/gpu/fused.cu");
        assert_eq!(made, expected, "`OCHRE_WRITE_EXPECTED=1` writes it anew; then run `cargo xtask test ptx`");
    }

    #[test]
    fn plans_that_differ_have_other_keys() {
        let mut keys = vec![chain().key(), arithmetic().key()];
        for change in 0..5 {
            let mut plan = chain();
            match change {
                0 => plan.leaves[0].1 = Leaf::Strided,
                1 => plan.leaves[1].0 = F64,
                2 => plan.steps[2].1 = vec![Place::Leaf(1), Place::Step(1)],
                3 => plan.steps[1].0.name = "abs",
                _ => plan.outputs = vec![3, 4],
            }
            keys.push(plan.key());
        }
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
        let mut other = chain();
        other.steps[0].0.p = 7.0;
        assert_eq!(other.key(), chain().key(), "numbers are arguments");
    }
}
