//! `milvault forget`

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use clap::Args;
use jiff::tz::{Offset, TimeZone};
use milvault::forget::{
    Action, ForgetOptions, ForgetPlan, Forgotten, Keep, Policy, Span, Unreadable, Verdict, Which,
    forget, plan,
};
use milvault::store::Store;
use milvault::{Error, Kind, Result};
use serde::Serialize;

use super::exit::Finish;
use super::options::StoreArguments;
use super::{Session, output, place, units};

const AFTER_HELP: &str = "\
The rules are restic's, and are ORed: an archive stays if one of them keeps it. Of each hour, day, week (ISO 8601), month \
or year that has archives, the newest is kept, for as many of them as the rule says; periods without archives do not count. \
As long as a rule has not found as many, the oldest archive is kept, too. Lengths of time are years, months, days and hours, \
as in 1y5m7d2h, and are counted back from the latest archive.

With --collection-group the rules are applied to each set of archives that have the same source address, collections, and \
selection of rows and fields.

Archives that are locked or cannot be read stay, and are named; damaged ones go by their NAME only. Removals that were \
interrupted are completed. Nothing is removed before a question is answered, or --yes is given.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The store
    store: String,

    /// Remove these archives, instead of those that rules do not keep
    #[arg(value_name = "NAME", conflicts_with = "rules")]
    names: Vec<String>,

    #[command(flatten)]
    rules: Option<Rules>,

    /// Remove what exports and copies have left unfinished, if they were begun longer ago than this; with NAME only that
    /// [default: 7d]
    #[arg(long, value_name = "AGE", num_args = 0..=1, require_equals = true, default_missing_value = "7d")]
    unfinished: Option<Span>,

    /// Say what would be removed, and why the others stay; remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Ask nothing
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    stores: StoreArguments,
}

#[derive(Args, Debug)]
#[group(id = "rules", multiple = true)]
struct Rules {
    /// Keep the newest N archives; here and below, `unlimited` keeps all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_last: Option<Keep>,
    /// Keep the newest archive of each of N hours
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_hourly: Option<Keep>,
    /// Keep the newest archive of each of N days
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_daily: Option<Keep>,
    /// Keep the newest archive of each of N weeks
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_weekly: Option<Keep>,
    /// Keep the newest archive of each of N months
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_monthly: Option<Keep>,
    /// Keep the newest archive of each of N years
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    keep_yearly: Option<Keep>,
    /// Keep all archives that are newer than so long before the latest
    #[arg(long, value_name = "LENGTH")]
    keep_within: Option<Span>,
    /// Apply the rules to each set of collections of each cluster
    #[arg(long)]
    collection_group: bool,
    /// Where days begin: a name such as Europe/Berlin, or an offset such as +02:00 [default: UTC]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true, value_parser = zone)]
    timezone: Option<TimeZone>,
}

impl Rules {
    fn policy(&self) -> Policy {
        let keep = |count: Option<Keep>| count.unwrap_or_default();
        Policy {
            last: keep(self.keep_last),
            hourly: keep(self.keep_hourly),
            daily: keep(self.keep_daily),
            weekly: keep(self.keep_weekly),
            monthly: keep(self.keep_monthly),
            yearly: keep(self.keep_yearly),
            within: self.keep_within.unwrap_or_default(),
            zone: self.timezone.clone().unwrap_or(TimeZone::UTC),
        }
    }
}

/// What a forget has done, or would do.
#[derive(Serialize)]
struct Outcome<'a> {
    store: String,
    dry_run: bool,
    #[serde(flatten)]
    plan: &'a ForgetPlan,
    #[serde(flatten)]
    done: &'a Forgotten,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let options = options(&arguments);
    let ctx = &session.ctx;
    let planning = async {
        let store = place::existing_store(&arguments.store, &arguments.stores, session).await?;
        let plan = plan(&store, &options).await?;
        Ok((store, plan))
    };
    let (store, plan) = ctx
        .until_stopped("looking at the archives", planning)
        .await?;
    for bad in &plan.unreadable {
        ctx.monitor.warn(&unreadable(bad));
    }
    let count = plan.removals().count();
    let done = if arguments.dry_run || count == 0 {
        Forgotten::default()
    } else {
        if !arguments.yes {
            confirm(&store, &plan, session).await?;
        }
        forget(&store, &plan, ctx).await?
    };
    for (name, why) in &done.failed {
        ctx.monitor
            .warn(&format!("{name} could not be removed: {why}"));
    }
    for (name, why) in &done.kept {
        ctx.monitor.warn(&format!("{name} stays: {why}"));
    }
    let outcome = Outcome {
        store: store.uri(),
        dry_run: arguments.dry_run,
        plan: &plan,
        done: &done,
    };
    // With a question, the table was shown before it.
    let asked = !arguments.yes && !arguments.dry_run && count > 0;
    session.output.result(&outcome, || {
        let end = ending(&outcome);
        if asked {
            end
        } else {
            format!("{}\n\n{end}", table(&plan))
        }
    })?;
    // What was named and stays is not what was asked for.
    let named_stays = !arguments.names.is_empty() && plan.has_locked();
    if !done.failed.is_empty() || named_stays {
        return Ok(Finish::Broken(Kind::Failed));
    }
    let damaged = |one: &Unreadable| one.action != Action::Remove;
    Ok(Finish::of(!plan.unreadable.iter().any(damaged)))
}

fn options(arguments: &Arguments) -> ForgetOptions {
    let which = match &arguments.rules {
        _ if !arguments.names.is_empty() => Which::Named(arguments.names.clone()),
        Some(rules) => Which::Policy {
            policy: rules.policy(),
            by_collections: rules.collection_group,
        },
        None if arguments.unfinished.is_some() => Which::None,
        None => Which::Policy {
            policy: Policy::default(),
            by_collections: false,
        },
    };
    ForgetOptions {
        which,
        unfinished: arguments.unfinished,
    }
}

/// Asks whether to go on. Without anybody to ask, nothing is removed.
async fn confirm(store: &Arc<dyn Store>, plan: &ForgetPlan, session: &Session) -> Result<()> {
    let count = units::count(plan.removals().count() as u64, "archive");
    let uri = store.uri();
    if session.output.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Error::Usage(format!(
            "{count} of {uri} would be removed, and nobody is there to ask; --dry-run shows which, --yes removes them"
        )));
    }
    session.output.text(&table(plan))?;
    // Nobody is left to ask where stderr is closed.
    let _ = write!(io::stderr(), "\nRemove {count} of {uri} for good? [y/N] ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = async {
        let line = answer.await.map_err(io::Error::other).and_then(|line| line);
        line.map_err(|source| Error::Store {
            doing: "read",
            uri: "the answer".to_owned(),
            source,
        })
    };
    let answer = session
        .ctx
        .until_stopped("nothing was removed", answer)
        .await?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Error::Stopped("nothing was removed".to_owned()))
    }
}

fn unreadable(bad: &Unreadable) -> String {
    match bad.action {
        Action::Remove => format!("{}; it goes, because it was named", bad.error),
        Action::Keep | Action::Locked => format!("{}; it stays", bad.error),
    }
}

fn table(plan: &ForgetPlan) -> String {
    let mut parts = Vec::new();
    let mut rest = plan.archives.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|one| one.group == first.group);
        let (group, others) = rest.split_at(same.count());
        let title = group[0].group.iter().map(|title| format!("{title}\n"));
        let rows = group.iter().map(row);
        let table = output::table(&["ARCHIVE", "CREATED", "SIZE", "", "WHY"], rows);
        parts.push(format!("{}{table}", title.collect::<String>()));
        rest = others;
    }
    if !plan.unfinished.is_empty() {
        let rows = plan.unfinished.iter().map(|one| {
            let started = one.archive.started.as_deref().unwrap_or("unknown");
            let state = if one.archive.forgotten {
                "its removal was interrupted"
            } else {
                "unfinished"
            };
            let why = std::iter::once(state).chain(one.reasons.iter().map(String::as_str));
            vec![
                one.archive.name.clone(),
                started.to_owned(),
                verb(one.action).to_owned(),
                output::joined(why, ""),
            ]
        });
        parts.push(output::table(&["NOT WHOLE", "STARTED", "", "WHY"], rows));
    }
    if parts.is_empty() {
        return "no archives".to_owned();
    }
    parts.join("\n\n")
}

fn row(one: &Verdict) -> Vec<String> {
    vec![
        one.archive.name.clone(),
        one.archive.created.clone(),
        units::bytes(one.archive.bytes),
        verb(one.action).to_owned(),
        output::joined(&one.reasons, ""),
    ]
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Keep => "keep",
        Action::Remove => "remove",
        Action::Locked => "keep, locked",
    }
}

fn ending(outcome: &Outcome) -> String {
    let plan = outcome.plan;
    let gone = |one: &&Verdict| {
        one.action == Action::Remove
            && (outcome.dry_run || outcome.done.removed.contains(&one.archive.name))
    };
    let bytes: u64 = plan
        .archives
        .iter()
        .filter(gone)
        .map(|one| one.archive.bytes)
        .sum();
    let archives = plan.archives.iter().map(|one| one.action);
    let unfinished = plan.unfinished.iter().map(|one| one.action);
    let locked = archives.chain(unfinished);
    let locked = locked.filter(|action| *action == Action::Locked);
    let locked = match locked.count() {
        0 => String::new(),
        number => format!("; {} locked", units::count(number as u64, "archive")),
    };
    let (number, what) = if outcome.dry_run {
        (plan.removals().count(), "would be removed")
    } else {
        (outcome.done.removed.len(), "removed")
    };
    let failed = match outcome.done.failed.len() {
        0 => String::new(),
        number => format!("; {number} could not be removed"),
    };
    let kept = match outcome.done.kept.len() {
        0 => String::new(),
        number => format!("; {number} gone on with meanwhile"),
    };
    format!(
        "{} ({}) {what} from {}{locked}{failed}{kept}",
        units::count(number as u64, "archive"),
        units::bytes(bytes),
        outcome.store
    )
}

fn zone(text: &str) -> std::result::Result<TimeZone, String> {
    if text.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    if let Some(offset) = offset(text) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(text).map_err(|_| {
        "this machine knows no such time zone; write a name such as Europe/Berlin, or an offset such as +02:00"
            .to_owned()
    })
}

fn offset(text: &str) -> Option<Offset> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let valid = (0..=24).contains(&hours) && (0..60).contains(&minutes);
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60))
        .ok()
        .filter(|_| valid)
}

#[cfg(test)]
mod tests {
    use milvault::archive::Listed;

    use super::*;

    #[test]
    fn what_could_not_be_removed_is_not_counted_as_gone() {
        let verdict = |name: &str, bytes| Verdict {
            archive: Listed {
                name: name.to_owned(),
                uri: format!("store/{name}"),
                created: "2026-11-21T02:00:00Z".to_owned(),
                format: 1,
                tool: "milvault 0.1.0".to_owned(),
                source: None,
                encrypted: false,
                rows: 1,
                bytes,
                files: 1,
                collections: 1,
            },
            group: None,
            action: Action::Remove,
            reasons: Vec::new(),
        };
        let plan = ForgetPlan {
            archives: vec![verdict("gone", 7), verdict("failed", 100)],
            ..ForgetPlan::default()
        };
        let done = Forgotten {
            removed: vec!["gone".to_owned()],
            failed: vec![("failed".to_owned(), "locked".to_owned())],
            kept: Vec::new(),
        };
        let mut outcome = Outcome {
            store: "store".to_owned(),
            dry_run: false,
            plan: &plan,
            done: &done,
        };
        assert_eq!(
            ending(&outcome),
            "1 archive (7 B) removed from store; 1 could not be removed"
        );
        outcome.dry_run = true;
        assert!(ending(&outcome).starts_with("2 archives (107 B) would be removed"));
    }
}
