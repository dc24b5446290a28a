//! The CPU's own tests again at the processor's lower levels: what they use is found once in a process.
use std::process::Command;

#[test]
fn the_cpus_tests_pass_at_lower_levels() {
    let best = crate::cpu_level();
    for level in ["base", "avx2", "avx512"].into_iter().take_while(|level| *level != best) {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let output = again.args(["cpu::tests::", "tests::levels::says_its_level", "--nocapture"]).env("OCHRE_CPU_LEVEL", level).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{level}:\n{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("this is {level}")) && !said.contains(" 1 passed"), "{level}:\n{said}");
    }
}

#[test]
fn says_its_level() {
    println!("this is {}", crate::cpu_level());
}
