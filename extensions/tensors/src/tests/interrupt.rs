//! The user's interrupt.
use super::{counted, panics};
use crate::interrupt::{check, set_check};
use std::cell::Cell;

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

#[test]
fn an_interrupt_ends_operations_and_backward() {
    // Only this thread is interrupted: the question is the process's, and other tests run beside this one.
    set_check(|| ASKED.get());
    let x = counted(&[2]).requires_grad();
    let y = (&x * 2.0).sum();
    ASKED.set(true);
    assert_eq!(check("exp").unwrap_err().to_string(), "exp was interrupted");
    assert_eq!(y.try_backward().unwrap_err().to_string(), "backward was interrupted");
    let message = panics(|| counted(&[2]) + counted(&[2]));
    ASKED.set(false);
    assert_eq!(message, "add was interrupted");
    y.backward();
    assert_eq!(x.grad().unwrap().to_vec::<f32>(), [2.0, 2.0]);
}
