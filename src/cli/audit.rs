//! `milvault show --audit`: the document as text, as JSON, and as a page to print.

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use milvault::archive::{Archive, StoredObject, Verification};
use milvault::audit::{Audit, AuditedObject, audit};
use milvault::store::LockMode;
use milvault::{Error, Result};

use super::exit::Finish;
use super::export::moment;
use super::show::{held, selected, server};
use super::{Session, output, units};

/// No script, nothing from elsewhere: what is printed or archived looks as it did.
const STYLE: &str = "
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.sub { color: #555; margin-top: 0; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .6rem .25rem 0; vertical-align: top; }
thead th { border-bottom: 1px solid #888; } tbody tr + tr td, tbody tr + tr th { border-top: 1px solid #e2e2e2; }
table.facts th { width: 11rem; font-weight: 600; } td.number, th.number { text-align: right; }
code { font: 12px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.bad { color: #a40000; font-weight: 600; } .good { color: #00600f; font-weight: 600; }
footer { color: #555; margin-top: 2rem; border-top: 1px solid #888; padding-top: .5rem; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } thead { display: table-header-group; } tr { break-inside: avoid; } }
";

/// Prints the document, and writes the page where one is wanted.
pub async fn run(archive: &Archive, page: Option<&Path>, session: &Session) -> Result<Finish> {
    let asking = audit(archive);
    let audit = session
        .ctx
        .until_stopped("asking about its objects", asking)
        .await?;
    if let Some(path) = page {
        let page = document(&audit).into_string();
        std::fs::write(path, page).map_err(|source| Error::Store {
            doing: "write",
            uri: path.display().to_string(),
            source,
        })?;
    }
    session.output.result(&audit, || text(&audit, page))?;
    Ok(Finish::of(audit.missing == 0))
}

/// What is known of the archive as a whole: names and values.
fn facts(audit: &Audit) -> Vec<(&'static str, String)> {
    let source = &audit.source;
    let encrypted = if audit.encrypted { ", encrypted" } else { "" };
    let missing = match audit.missing {
        0 => None,
        number => Some((
            "damaged",
            format!("{} missing", units::count(number, "object")),
        )),
    };
    let facts = vec![
        ("archive", audit.archive.clone()),
        ("written as", audit.name.clone()),
        ("created", audit.created.clone()),
        ("source", format!("{}, {}", source.address, server(source))),
        (
            "by",
            format!("{}, archive format {}{encrypted}", audit.tool, audit.format),
        ),
        ("consistency", moment(&audit.consistency, "the export")),
        ("selection", selected(&audit.selection)),
        ("holds", held(audit.collections.len(), &audit.totals)),
        ("manifest", format!("SHA-256 {}", audit.manifest_sha256)),
        ("locked", locks(audit)),
        ("verified", verified(audit)),
    ];
    facts.into_iter().chain(missing).collect()
}

fn locks(audit: &Audit) -> String {
    if let Some(reason) = &audit.locks_unknown {
        return format!("not known: {reason}");
    }
    let all = audit.objects.len() as u64;
    let objects = units::count(all, "object");
    match (&audit.locked_until, audit.unprotected) {
        (Some(until), Some(0)) => format!("all {objects} until {until}{}", mode(audit)),
        (None, Some(0)) => format!("all {objects}, some by legal hold alone"),
        (_, Some(open)) if open == all => "no object".to_owned(),
        (_, open) => format!(
            "not all{}: {} of {objects} can be removed{}",
            mode(audit),
            open.unwrap_or(all),
            if audit.missing > 0 {
                ", or are missing"
            } else {
                ""
            }
        ),
    }
}

fn mode(audit: &Audit) -> &'static str {
    match audit.lock_mode {
        Some(LockMode::Compliance) => " (compliance)",
        Some(LockMode::Governance) => " (governance)",
        None => "",
    }
}

fn verified(audit: &Audit) -> String {
    let last = audit.verifications.last();
    let last = last.map(|last| format!("{}: {}", last.time, outcome(last)));
    last.unwrap_or_else(|| "never, as far as it was recorded (verify --record)".to_owned())
}

fn outcome(verification: &Verification) -> String {
    let good = format!(
        "{} with {}",
        units::count(verification.good_files, "file"),
        units::count(verification.good_rows, "row")
    );
    if verification.good {
        format!("good, {good}")
    } else {
        let problems = units::count(verification.problems, "problem");
        format!(
            "damaged: {problems} ({}); {good} good",
            verification.kinds.join(", ")
        )
    }
}

/// What keeps an object, where that is known.
fn protection(object: &AuditedObject, audit: &Audit) -> String {
    if object.missing {
        return "missing".to_owned();
    }
    let lock = object.lock.zip(object.locked_until.as_ref());
    let lock = lock.map(|(mode, until)| match mode {
        LockMode::Compliance => format!("compliance until {until}"),
        LockMode::Governance => format!("governance until {until}"),
    });
    let hold = object.legal_hold.then(|| "legal hold".to_owned());
    let unknown = audit.locks_unknown.is_some();
    output::joined(
        lock.into_iter().chain(hold),
        if unknown { "?" } else { "none" },
    )
}

/// What an object is: where it lies, or what is in it.
fn title(object: &StoredObject) -> String {
    match &object.encrypted {
        Some(inner) => format!("{} (encrypted)", inner.path),
        None => object.path.clone(),
    }
}

/// What `sha256sum` says of the object.
fn hash(object: &StoredObject) -> &str {
    let stored = object.stored.as_ref();
    stored.map_or("-", |stored| &stored.sha256)
}

fn text(audit: &Audit, page: Option<&Path>) -> String {
    let facts = facts(audit).into_iter();
    let mut lines: Vec<String> = facts
        .map(|(name, value)| format!("{name:<12} {value}"))
        .collect();
    let collections = audit.collections.iter().map(|one| {
        let rows = indicatif::HumanCount(one.rows).to_string();
        vec![
            one.name.clone(),
            rows,
            units::bytes(one.bytes),
            one.digest.clone(),
        ]
    });
    lines.push(String::new());
    lines.push(output::table(
        &["COLLECTION", "ROWS", "SIZE", "DIGEST"],
        collections,
    ));
    let objects = audit.objects.iter().map(|one| {
        vec![
            title(&one.object),
            hash(&one.object).to_owned(),
            protection(one, audit),
        ]
    });
    lines.push(String::new());
    lines.push(output::table(&["OBJECT", "SHA-256", "LOCK"], objects));
    if let Some(path) = page {
        lines.push(format!("\nThe page is in {}.", path.display()));
    }
    lines.join("\n")
}

/// How a fact looks; `good`: what the last verification has found.
fn class(name: &str, good: Option<bool>) -> Option<&'static str> {
    let good = match name {
        "verified" => good?,
        "damaged" => false,
        _ => return None,
    };
    Some(if good { "good" } else { "bad" })
}

fn document(audit: &Audit) -> Markup {
    let good = audit.verifications.last().map(|last| last.good);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Audit of " (audit.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Archive " (audit.name) }
                p.sub { "State of " (audit.asked) }
                table.facts { tbody {
                    @for (name, value) in facts(audit) {
                        tr {
                            th scope="row" { (name) }
                            td class=[class(name, good)] {
                                (value)
                            }
                        }
                    }
                } }
                h2 { "Collections" }
                table {
                    thead { tr { th { "Name" } th.number { "Rows" } th.number { "Files" } th.number { "Size" } th { "Digest" } } }
                    tbody { @for one in &audit.collections {
                        tr {
                            td { (one.name) }
                            td.number { (indicatif::HumanCount(one.rows)) }
                            td.number { (one.files) }
                            td.number { (units::bytes(one.bytes)) }
                            td { code { (one.digest) } }
                        }
                    } }
                }
                h2 { "Verifications" }
                @if audit.verifications.is_empty() { p { "None was recorded." } } @else {
                    table {
                        thead { tr { th { "Time" } th { "By" } th { "Found" } } }
                        tbody { @for one in audit.verifications.iter().rev() {
                            tr {
                                td { (one.time) }
                                td { (one.tool.name) " " (one.tool.version) }
                                td class=(if one.good { "good" } else { "bad" }) { (outcome(one)) }
                            }
                        } }
                    }
                }
                h2 { "Objects" }
                table {
                    thead { tr { th { "Object" } th.number { "Size" } th { "SHA-256" } th { "Lock" } } }
                    tbody { @for one in &audit.objects { (row(one, audit)) } }
                }
                footer {
                    "The SHA-256 of manifest.json covers all others: it holds the hash of every other object with one here. "
                    code { "sha256sum" } " and " code { "milvault verify" } " check them. Records of verifications lie beside "
                    "the archive, and prove no more than the store's own rights do."
                }
            }
        }
    }
}

fn row(one: &AuditedObject, audit: &Audit) -> Markup {
    let object = &one.object;
    let content = object
        .encrypted
        .as_ref()
        .and_then(|inner| inner.content.as_ref());
    html! {
        tr {
            td {
                code { (title(object)) }
                @if object.encrypted.is_some() { br; code { (object.path) } }
            }
            td.number { @if let Some(stored) = &object.stored { (units::bytes(stored.bytes)) } }
            td {
                code { (hash(object)) }
                @if let Some(content) = content { br; "before encryption " code { (content.sha256) } }
            }
            td { (protection(one, audit)) }
        }
    }
}
