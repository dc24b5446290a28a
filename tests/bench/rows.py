"""What is measured: the texts of the cells, the same for every column, and the target of each row.

Called by cells.py. A session is a list of cells; a cell with a row is measured, the others lead up to it.
"""
from dataclasses import dataclass

# Session of plain Rust: where the cells stand whose latency must not grow with the session.
EARLY, LATE = 5, 50

# evcxr_jupyter links polars anew into every cell and builds it for over 15 minutes first, so its polars rows are
# measured only with --evcxr-polars; without, these figures of the design document stand in the table, marked as such.
PUBLISHED = {"polars-first": 900.0, "polars-lazy": 2.65, "polars-lazy-moves": 2.65}


@dataclass(frozen=True)
class Row:
    """A line of the table. Factors are of the columns' medians; None: no such target."""
    key: str
    label: str
    floor: float | None = None       # Ochre at most this many times bare rustc
    seconds: float | None = None     # Ochre below
    peer: float | None = None        # Ochre at most this part of evcxr_jupyter
    cached: float | None = None      # Ochre from cache below
    ages: bool = False               # as fast in an old session as in a young one, give or take AS_FAST


AS_FAST = 1.1
TRIVIAL, POLARS, MOVING = 1.5, 1.3, 1.6
CACHED = 0.030
FIFTH = 1 / 5


@dataclass(frozen=True)
class Cell:
    text: str
    row: Row | None = None


def trivial(key, label):
    return Row(key, label, floor=TRIVIAL, cached=CACHED)


READY = Row("ready", "time to ready (kernel_info answered, idle)", seconds=0.150, peer=1 / 20)
FIRST = Row("first", "process start to the first result (`2+1`)")
RUN_ALL = Row("run-all", "Restart & Run All of notebooks/01 (floor: compiling alone)")


def plain():
    """One session of plain Rust, 50 cells long; its first cell is the one of the row FIRST."""
    cells = [
        Cell("2+1"),
        Cell("let first = 1u64;"),
        Cell("fn unit_0(n: u64) -> u64 { n + 1 }"),
        Cell("unit_0(first)"),
        Cell("let early = 5u64 * 3; early + 1", Row("fifth", "the 5th cell of a session", floor=TRIVIAL, cached=CACHED)),
        Cell("1+2", trivial("expression", "`1+2`")),
        Cell("let x = 5i32;", trivial("let", "`let x = 5i32;`")),
        Cell(
            'let words = vec!["iron", "oxide", "iron"];\n'
            "let lengths = words.iter().map(|w| (w.to_string(), w.len())).collect::<std::collections::HashMap<String, usize>>();",
            trivial("map", "a `let` of a Vec and a HashMap"),
        ),
        Cell("fn area(width: f64, height: f64) -> f64 { width * height }", trivial("fn", "a new `fn`")),
        Cell("area(2.0, 3.5)", trivial("call", "a call of it")),
        Cell("#[derive(Debug, Clone, PartialEq)]\nstruct Point { x: f64, y: f64 }", trivial("struct", "a struct with derive")),
    ]
    cells += [Cell(f"fn part_{n}(v: u64) -> u64 {{ v * {n + 2} }}") for n in range(8)]
    cells += [Cell("let origin = Point { x: 0.0, y: 1.0 };")]
    uses = " + ".join(f"part_{n}({n})" for n in range(8))
    cells.append(Cell(f"let place = Point {{ x: area(1.0, 2.0), y: origin.y }};\n({uses}, place.x)", trivial("ten", "a cell that uses 10 earlier items")))
    while len(cells) < LATE - 1:
        n = len(cells)
        third = [f"let v_{n} = {n}u64;", f"fn more_{n}(v: u64) -> u64 {{ v + {n} }}", f"more_{n - 1}(v_{n - 2})"]
        cells.append(Cell(third[n % 3]))
    cells.append(Cell("let late = 50u64 * 3; late + 1", Row("fiftieth", "the 50th cell of a session", floor=TRIVIAL, cached=CACHED, ages=True)))
    assert cells[EARLY - 1].row.key == "fifth" and len(cells) == LATE
    return cells


# Compiled in a young session and in an old one, in turn.
AGING = [f"let aged_{n} = {n}u64 * 3; aged_{n} + 1" for n in range(3)]

QUERY = '.lazy().filter(col("sold").gt(lit(2))).group_by([col("shop")]).agg([col("price").mean(), len().alias("n")]).collect()?'


def polars():
    """One session with frames; its first cell is the first to touch polars."""
    def row(key, label, floor=POLARS):
        return Row(key, label, floor=floor, peer=FIFTH, cached=CACHED)
    return [
        Cell('let sales = df!("shop" => ["a", "b", "a", "c"], "sold" => [3i64, 5, 2, 8], "price" => [1.5, 2.0, 2.5, 9.0])?;\nsales', row("polars-first", "first polars cell of a fresh session")),
        Cell('let shops = df!("shop" => ["a", "b", "c"], "city" => ["Ulm", "Bonn", "Kiel"])?;', row("polars-frame", "building a small frame")),
        Cell("let query = sales.clone()" + QUERY + ";\nquery", row("polars-lazy", "a lazy filter/group_by/agg/collect")),
        Cell("let copy = sales.clone();"),
        Cell("copy" + QUERY, row("polars-lazy-moves", "the same, consuming the variable", MOVING)),
        Cell(
            'sales.clone().lazy().join(shops.clone().lazy(), [col("shop")], [col("shop")], JoinArgs::new(JoinType::Inner)).collect()?',
            row("polars-join", "a join"),
        ),
        Cell("2+2", Row("polars-then", "`2+2` in a session with polars", floor=TRIVIAL, peer=FIFTH, cached=CACHED)),
    ]


def tensors():
    """One session with tensors, which no peer has: what a network is made of costs a cell no more than a frame does."""
    def row(key, label):
        return Row(key, label, floor=POLARS, cached=CACHED)
    return [
        Cell("Tensor::zeros(&[2, 2]).matmul(&Tensor::ones(&[2, 2]))", row("tensor-first", "first tensor of a fresh session: `zeros(…).matmul(…)`")),
        Cell("let w = Tensor::randn(&[3, 2]).requires_grad();\nlet loss = (Tensor::ones(&[4, 3]).matmul(&w) * 2.0 - 1).relu().mean();\nloss.backward();", row("tensor-loss", "a loss and its gradient")),
        Cell(
            "use ochre::nn;\nlet model = nn::Sequential::new().add(nn::Conv2d::new(3, 8, 3)).add(nn::Relu).add(nn::Flatten).add(nn::Linear::new(8 * 36, 10));\nochre::summary(&model, &[1, 3, 8, 8])",
            row("tensor-model", "an `nn::Sequential` of four layers and its summary"),
        ),
        Cell("ochre::predict(&model, &Tensor::zeros(&[2, 3, 8, 8])).argmax(-1)", row("tensor-predict", "a prediction of it")),
    ]


# What evcxr_jupyter is told first; the time of this cell is its "first polars cell", as polars is built in it.
EVCXR_POLARS = ':dep polars = { version = "0.55", features = ["lazy"] }\nuse polars::prelude::*;'


@dataclass(frozen=True)
class Loop:
    key: str
    label: str
    text: str
    factor: float = 1.1


def timed(body, result):
    """A loop that prints how long it ran, as a cell and as the body of a `main`."""
    return f'let clock = std::time::Instant::now();\n{body}\nprintln!("{{}} {{}}", clock.elapsed().as_secs_f64(), {result});'


LOOPS = [
    Loop("loop-float", "float loop", timed("let mut sum = 0.0f64;\nfor i in 0..100_000_000u64 { sum += (i as f64).sqrt(); }", "sum")),
    Loop("loop-integer", "integer loop", timed("let mut state = 1u64;\nlet mut odd = 0u64;\nfor _ in 0..60_000_000u64 {\n    state = (state * 48_271) % 2_147_483_647;\n    odd += state & 1;\n}", "odd")),
    Loop(
        "loop-nested",
        "nested loop (matrix product)",
        timed(
            "let n = 900usize;\nlet a: Vec<f64> = (0..n * n).map(|i| i as f64).collect();\nlet b = a.clone();\nlet mut c = vec![0.0f64; n * n];\n"
            "for i in 0..n {\n    for k in 0..n {\n        let x = a[i * n + k];\n        for j in 0..n {\n            c[i * n + j] += x * b[k * n + j];\n        }\n    }\n}",
            "c[n + 1]",
        ),
    ),
]

MEMORY_LIMIT_MB = 60
