//! What passed by: counted and hashed, table by table.

use sha2::{Digest, Sha256};

use super::row::{Batch, COUNTED, Row, Table, Value};

/// Counts and hashes what is added to it, in order.
#[derive(Default)]
pub(super) struct Tally {
    counts: [u64; COUNTED.len()],
    hashers: [Sha256; Table::ALL.len()],
    encoded: Vec<u8>,
}

impl Tally {
    pub(super) fn add(&mut self, batch: &Batch) {
        self.encoded.clear();
        for row in &batch.rows {
            encode(&mut self.encoded, row);
            self.counts[Table::ALL.len()] += row.payors.len() as u64;
        }
        self.counts[batch.table as usize] += batch.rows.len() as u64;
        self.hashers[batch.table as usize].update(&self.encoded);
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.counts[..Table::ALL.len()].iter().sum()
    }

    pub(super) fn sum(self) -> Sum {
        Sum { counts: self.counts, hashes: self.hashers.map(|hasher| hasher.finalize().into()) }
    }
}

/// Every value with its kind and its length, so that no two rows are written alike.
fn encode(to: &mut Vec<u8>, row: &Row) {
    encode_bytes(to, row.organization.as_bytes());
    to.extend(row.at.to_be_bytes());
    for value in &row.values {
        match value {
            Value::Null => to.push(0),
            Value::Number(number) => {
                to.push(1);
                to.extend(number.to_be_bytes());
            }
            Value::Text(text) => {
                to.push(2);
                encode_bytes(to, text.as_bytes());
            }
            Value::Bytes(bytes) => {
                to.push(3);
                encode_bytes(to, bytes);
            }
        }
    }
    to.extend((row.payors.len() as u64).to_be_bytes());
    for payor in &row.payors {
        encode_bytes(to, payor.as_bytes());
    }
}

fn encode_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u64).to_be_bytes());
    to.extend(bytes);
}

/// The end of a [`Tally`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    counts: [u64; COUNTED.len()],
    hashes: [[u8; 32]; Table::ALL.len()],
}

impl Sum {
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        COUNTED.into_iter().zip(self.counts)
    }

    /// What differs: its name, how many there are here, and there.
    pub(super) fn differences(&self, other: &Sum) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let counts = self.counts().zip(other.counts);
        let differs = |nth: usize| self.hashes.get(nth) != other.hashes.get(nth);
        counts.enumerate().filter_map(move |(nth, ((name, here), there))| {
            (here != there || differs(nth)).then_some((name, here, there))
        })
    }

    /// One hash of all.
    pub(super) fn sha256(&self) -> String {
        let all = Sha256::digest(self.hashes.concat());
        all.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at: i64, values: &[&str], payors: &[&str]) -> Row {
        let text = |text: &&str| Value::Text((*text).into());
        Row {
            organization: "org_aaaaaaaaaaaa".into(),
            at,
            values: values.iter().map(text).collect(),
            payors: payors.iter().map(|payor| (*payor).into()).collect(),
        }
    }

    fn sum(rows: Vec<Row>) -> Sum {
        let mut tally = Tally::default();
        tally.add(&Batch { table: Table::User, rows });
        tally.sum()
    }

    #[test]
    fn whatever_is_different_hashes_differently() {
        let one = || row(1, &["ab", "c"], &["p"]);
        let null = Row { values: vec![Value::Null, Value::Number(0)], ..one() };
        let sums = [
            sum(vec![one()]),
            sum(vec![row(2, &["ab", "c"], &["p"])]),
            sum(vec![row(1, &["a", "bc"], &["p"])]),
            sum(vec![row(1, &["ab"], &["c", "p"])]),
            sum(vec![row(1, &["ab", "c"], &[])]),
            sum(vec![null]),
            sum(vec![one(), one()]),
            sum(vec![one(), row(2, &["ab", "c"], &["p"])]),
            sum(vec![row(2, &["ab", "c"], &["p"]), one()]),
        ];
        for (nth, sum) in sums.iter().enumerate() {
            for other in &sums[..nth] {
                assert_ne!(sum, other);
                assert_ne!(sum.sha256(), other.sha256());
            }
        }
    }

    #[test]
    fn how_rows_are_batched_changes_nothing() {
        let mut one_by_one = Tally::default();
        for at in [1, 2] {
            one_by_one.add(&Batch { table: Table::User, rows: vec![row(at, &["a"], &[])] });
        }
        assert_eq!(one_by_one.sum(), sum(vec![row(1, &["a"], &[]), row(2, &["a"], &[])]));
    }

    #[test]
    fn a_difference_is_told_by_table() {
        let (one, two) = (sum(vec![row(1, &["a"], &[])]), sum(vec![row(1, &["a"], &["p"])]));
        let differences: Vec<_> = one.differences(&two).collect();
        assert_eq!(differences, [("users", 1, 1), ("payors of users", 0, 1)]);
    }
}
