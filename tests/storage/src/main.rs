//! The measurement as a program: `ochre-storage-bench CONFIG.json`.
#![forbid(unsafe_code)]
use anyhow::Context;
use ochre_storage_bench::{measure, plan::Plan, table};

fn main() -> anyhow::Result<()> {
    let file = std::env::args().nth(1).context("usage: ochre-storage-bench CONFIG.json (`cargo xtask bench storage` writes it)")?;
    let plan = Plan::read(&file)?;
    let results = measure::run(&plan)?;
    let text = table::markdown(&plan, &results);
    print!("{text}");
    std::fs::write(&plan.out, &text).with_context(|| format!("cannot write {}", plan.out.display()))?;
    Ok(())
}
