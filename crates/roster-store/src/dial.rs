//! Reaching a host that has several addresses (RFC 8305): one that is silent must not take the time of all.
//!
//! It stands here because PostgreSQL is reached so; what leaves Roster for gateways and receivers uses the same.

use std::{net::SocketAddr, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep;

/// How long an attempt has the field to itself (RFC 8305 §5 and §8).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The addresses with both families in turn, beginning with the family of the first (RFC 8305 §4).
pub fn interleaved(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == v6_first);
    let mut second = second.into_iter();
    let mut mixed: Vec<_> = first.into_iter().flat_map(|address| [Some(address), second.next()]).flatten().collect();
    mixed.extend(second);
    mixed
}

/// Makes one attempt after the other, each [`ATTEMPT_DELAY`] after the one before, or at once when one fails. The first
/// that succeeds wins, and the others are dropped.
///
/// Fails with the last failure when all have failed, and with `None` where there was nothing to attempt. It has no limit
/// in time of its own: an attempt that never ends is waited for.
pub async fn first_to_succeed<A, T, E>(attempts: impl IntoIterator<Item = A>) -> Result<T, Option<E>>
where
    A: Future<Output = Result<T, E>>,
{
    let mut attempts = attempts.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failed = None;
    loop {
        let next = attempts.next();
        let more = next.is_some();
        running.extend(next);
        tokio::select! {
            ended = running.next() => match ended {
                Some(Ok(made)) => return Ok(made),
                Some(Err(error)) => failed = Some(error),
                None => return Err(failed),
            },
            () = sleep(ATTEMPT_DELAY), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    /// What an address does.
    #[derive(Clone, Copy)]
    enum Does {
        Nothing,
        Fail(u64),
        Connect(u64),
    }

    /// Which one won, or which failed last; and after how many milliseconds.
    async fn raced(addresses: &[Does]) -> (Result<usize, Option<usize>>, u128) {
        let since = Instant::now();
        let attempts = addresses.iter().enumerate().map(async |(nth, does)| match does {
            Does::Nothing => pending().await,
            Does::Fail(millis) => {
                sleep(Duration::from_millis(*millis)).await;
                Err(nth)
            }
            Does::Connect(millis) => {
                sleep(Duration::from_millis(*millis)).await;
                Ok(nth)
            }
        });
        (first_to_succeed(attempts).await, since.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_to_connect_wins_and_a_failure_starts_the_next_at_once() {
        use Does::*;
        for (addresses, won, after) in [
            (&[Connect(10)][..], Ok(0), 10),
            (&[Nothing, Connect(10)], Ok(1), 260),
            (&[Nothing, Nothing, Connect(10)], Ok(2), 510),
            (&[Fail(5), Connect(10)], Ok(1), 15),
            (&[Nothing, Fail(5), Connect(10)], Ok(2), 265),
            (&[Connect(300), Connect(10)], Ok(1), 260), // the second is quicker
            (&[Connect(300), Nothing], Ok(0), 300),     // the first is waited for all the same
            (&[Fail(400), Fail(5)], Err(Some(0)), 400),
            (&[], Err(None), 0),
        ] {
            assert_eq!(raced(addresses).await, (won, after));
        }
    }

    #[test]
    fn families_come_in_turn() {
        let read = |text: &str| text.split(' ').map(|address| address.parse().expect("one")).collect::<Vec<_>>();
        let mixed = interleaved(read("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 1.1.1.2:1"));
        assert_eq!(mixed, read("[::1]:1 1.1.1.1:1 [::2]:1 1.1.1.2:1 [::3]:1"));
        assert_eq!(interleaved(read("1.1.1.1:1 [::1]:1 [::2]:1")), read("1.1.1.1:1 [::1]:1 [::2]:1"));
        assert_eq!(interleaved([]), []);
    }
}
