//! What the environment sets: an empty variable sets nothing, and a complaint says which variable it is about.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    io::Write,
};

use clap::{Arg, Command, CommandFactory, Error, FromArgMatches, error::ErrorKind};

/// Reads the command line and the environment. Where they make no sense, says so and ends the process with 2.
pub fn parse<T: CommandFactory + FromArgMatches>() -> T {
    let given: Vec<OsString> = env::args_os().collect();
    let mut command = without_what_sets_nothing(T::command(), &given);
    let parsed = command.try_get_matches_from_mut(&given).and_then(|mut matches| T::from_arg_matches_mut(&mut matches));
    parsed.unwrap_or_else(|error| {
        if !error.use_stderr() {
            error.exit(); // it is the help that was asked for
        }
        command.build();
        // Nothing fails where nobody reads it. It has no colors any more where it names a variable.
        match naming_variables(&error, &command, &given) {
            Some(text) => drop(write!(std::io::stderr(), "{text}")),
            None => drop(error.print()),
        }
        std::process::exit(error.exit_code())
    })
}

/// Takes away variables that are empty, as compose writes them for what nobody set, and those that a flag of the same
/// setting overrules: `--database` overrules `ROSTER_DATABASE_FILE` too.
fn without_what_sets_nothing(command: Command, given: &[OsString]) -> Command {
    // The others stay as they are: the help names their variables.
    let command = command.mut_args(|arg| match arg.get_env().and_then(env::var_os).is_some() {
        true if !is_set(&arg) || is_given(&twin_of(&arg), given) => arg.env(None),
        _ => arg,
    });
    command.mut_subcommands(|command| without_what_sets_nothing(command, given))
}

/// Whether the argument has a variable that is not empty.
fn is_set(arg: &Arg) -> bool {
    let value = arg.get_env().and_then(env::var_os).unwrap_or_default();
    !value.to_string_lossy().trim().is_empty()
}

/// The other flag of the same setting: a secret has one for a file.
fn twin_of(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    long.strip_suffix("-file").map_or_else(|| format!("{long}-file"), str::to_owned)
}

/// Whether a flag stands on the command line of this process, which everybody on the machine can read.
pub(crate) fn is_on_command_line(long: &str) -> bool {
    is_given(long, &Vec::from_iter(env::args_os()))
}

fn is_given(long: &str, given: &[OsString]) -> bool {
    given.iter().filter_map(|given| given.to_str()?.strip_prefix("--")).any(|flag| flag.split('=').next() == Some(long))
}

/// A complaint with the variables it is about; `None` if it is about none.
fn naming_variables(error: &Error, command: &Command, given: &[OsString]) -> Option<String> {
    let said = error.render().to_string();
    let mut named = said.clone();
    let (mut set, mut one_is_missing) = (BTreeSet::new(), false);
    for arg in all_of(command) {
        let Some(variable) = arg.get_env().map(OsStr::to_string_lossy) else { continue };
        let is_set = is_set(arg) && !is_given(arg.get_long().unwrap_or_default(), given);
        let (quoted, listed) = (format!("'{arg}'"), format!("  {arg}\n"));
        if is_set && set.insert(variable.clone()) {
            named = named.replace(&quoted, &format!("{quoted} (from {variable})"));
            named = named.replace(&listed, &format!("  {arg} (from {variable})\n"));
        } else if error.kind() == ErrorKind::MissingRequiredArgument && named.contains(&listed) {
            named = named.replace(&listed, &format!("  {arg} (or {variable})\n"));
            one_is_missing = true;
        }
    }
    if one_is_missing && !set.is_empty() {
        named.push_str(&format!("\nSet by the environment: {}\n", Vec::from_iter(set).join(", ")));
    }
    (named != said).then_some(named)
}

/// The arguments of a command and of those below it.
fn all_of(command: &Command) -> Vec<&Arg> {
    command.get_arguments().chain(command.get_subcommands().flat_map(all_of)).collect()
}
