//! Many requests under way at once, on the task of one test.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// A future, until it is ready, and then what it returned.
enum Runner<F: Future> {
    Running(Pin<Box<F>>),
    Done(F::Output),
}

/// Runs all of them side by side, and returns what they returned, in their order.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut runners: Vec<Option<Runner<F>>> =
        futures.into_iter().map(|future| Some(Runner::Running(Box::pin(future)))).collect();
    poll_fn(move |context| {
        let mut all_done = true;
        for runner in &mut runners {
            if let Some(Runner::Running(future)) = runner {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *runner = Some(Runner::Done(output)),
                    Poll::Pending => all_done = false,
                }
            }
        }
        if !all_done {
            return Poll::Pending;
        }
        let output = |runner: &mut Option<Runner<F>>| match runner.take() {
            Some(Runner::Done(output)) => output,
            _ => unreachable!("all are done, and each is taken once"),
        };
        Poll::Ready(runners.iter_mut().map(output).collect())
    })
    .await
}
