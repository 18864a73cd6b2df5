//! `roster policy`: who may create and read whom, from the one table.

use super::say;
use roster_directory::{Role, RoleSet};

/// A row per key's role: the role, what it may create, what it may read.
pub(super) fn run() -> anyhow::Result<()> {
    say("A key of this role\tmay create, assign, change\tmay read")?;
    for role in Role::ALL {
        say(format_args!("{role}\t{}\t{}", names(role.may_create()), names(role.may_read())))?;
    }
    Ok(())
}

fn names(roles: RoleSet) -> String {
    let names: Vec<_> = roles.iter().map(Role::as_str).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
}
