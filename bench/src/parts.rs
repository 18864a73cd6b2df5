//! What is measured, part by part.

pub(crate) mod change;
pub(crate) mod growth;
pub(crate) mod instructions;
pub(crate) mod mixed;
pub(crate) mod organizations;
pub(crate) mod peers;
pub(crate) mod search;
pub(crate) mod start;
pub(crate) mod throughput;
pub(crate) mod waiting;

/// How long and how often each thing is measured.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Effort {
    /// Rounds, each in another order
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Seconds measured of each thing in a round, after a warm-up of one
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Users in the large database
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) users: u64,
    /// Put the table and the drawings into docs/, too
    #[arg(long)]
    pub(crate) into_docs: bool,
}

/// Users in the database that the large one is compared with.
pub(crate) const FEW_USERS: u64 = 10_000;
