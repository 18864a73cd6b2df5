//! `roster key`: the keys that open an organization.

use clap::Subcommand;
use roster_directory::{
    KeyId, OrganizationId, Role,
    key::{Access, KeyName},
};

use super::{checked, found, note, operator_of, or_dash, row, say};
use crate::{
    app::{App, Ends, NewKey},
    config::{millis, some_millis},
};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key; it is the last word printed, and is never shown again
    Create {
        /// The organization it opens
        #[arg(long)]
        org: OrganizationId,
        /// What its holder may do: see `roster policy`
        #[arg(long, value_parser = role)]
        role: Role,
        /// What it is for, at most 100 characters
        #[arg(long, value_parser = checked::<KeyName>)]
        name: KeyName,
        /// What it may be used for, within what its role may do: WRITE, or READ
        #[arg(long, default_value = "WRITE", value_parser = access)]
        access: Access,
        /// How long it works: 90d, 12h, 30m; or never: until it is revoked
        #[arg(long, value_name = "TIME", default_value = "365d", value_parser = lifetime)]
        expires: Lifetime,
    },
    /// List keys: id, role, state, when created, when it ends, access, when it was used last, name
    List {
        /// The organization they open
        #[arg(long)]
        org: OrganizationId,
    },
    /// Revoke a key: the next request with it is refused, also by a server that is running
    Revoke {
        /// The organization it opens
        #[arg(long)]
        org: OrganizationId,
        /// The key's id, key_…
        id: KeyId,
    },
    /// Make a key that takes over from another; it is the last word printed, and is never shown again
    Rotate {
        /// The organization it opens
        #[arg(long)]
        org: OrganizationId,
        /// The id of the key to replace, key_…
        id: KeyId,
        /// How long the old one still works: 24h, 30m, 0s
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = millis)]
        grace: i64,
    },
}

impl KeyCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            KeyCommand::Create { org, role, name, access, expires } => {
                let caller = operator_of(app, org).await?;
                let ends = expires.0.map_or(Ends::Never, Ends::After);
                let (key, token) = app.create_key(&caller, NewKey { role, name, access, ends }, None).await?;
                note("The key is shown this once: keep it where secrets are kept.");
                say(format_args!("created key {} {}", key.id, token.reveal()))?;
            }
            KeyCommand::List { org } => {
                operator_of(app, org).await?;
                let now = app.clock().latest();
                for key in app.store().keys(org).await? {
                    let state = match (key.revoked_at, key.is_live(now)) {
                        (Some(_), _) => "revoked",
                        (None, true) => "live",
                        (None, false) => "expired",
                    };
                    let end = or_dash(key.revoked_at.or(key.expires_at));
                    let (access, used) = (key.access.as_str(), or_dash(key.last_used_at));
                    row([&key.id, &key.role, &state, &key.created_at, &end, &access, &used, &key.name.as_str()])?;
                }
            }
            KeyCommand::Revoke { org, id } => {
                let caller = operator_of(app, org).await?;
                found(app.revoke_key(&caller, id).await, || format!("the organization has no key {id}"))?;
                say(format_args!("revoked key {id}"))?;
            }
            KeyCommand::Rotate { org, id, grace } => {
                let caller = operator_of(app, org).await?;
                let rotated = app.rotate_key(&caller, id, grace, None).await;
                let (key, token) = found(rotated, || format!("the organization has no live key {id}"))?;
                note("The key is shown this once: keep it where secrets are kept.");
                say(format_args!("created key {} {}", key.id, token.reveal()))?;
            }
        }
        Ok(())
    }
}

/// Milliseconds, or for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime(Option<i64>);

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime(None));
    }
    some_millis(text).map(|millis| Lifetime(Some(millis))).map_err(|why| format!("{why}, or never"))
}

fn access(text: &str) -> Result<Access, String> {
    let names = || Access::ALL.map(Access::as_str).join(", ");
    Access::parse(&text.to_ascii_uppercase()).ok_or_else(|| format!("one of {}", names()))
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    let names = || Role::ALL.map(Role::as_str).join(", ");
    Role::parse(&text.to_ascii_uppercase()).ok_or_else(|| format!("one of {}", names()))
}
