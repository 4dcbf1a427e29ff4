//! Users and roles in words.

use milvault::archive::RbacFile;
use milvault::model::{Rbac, grants_in_words};
use milvault::rbac::RbacReport;

use super::{output, units};

/// `3 users, 4 roles, 12 grants`.
pub fn holds(file: &RbacFile) -> String {
    let mut parts = vec![
        units::count(file.users, "user"),
        units::count(file.roles, "role"),
        units::count(file.grants, "grant"),
    ];
    if file.privilege_groups > 0 {
        parts.push(units::count(file.privilege_groups, "privilege group"));
    }
    parts.join(", ")
}

/// What becomes of passwords, as a sentence.
pub fn passwords(file: &RbacFile) -> String {
    match file.password_hashes {
        0 => "no passwords: the server tells none".to_owned(),
        number => format!(
            "{}: keep {} private",
            match number {
                1 => "1 password hash".to_owned(),
                number => format!("{number} password hashes"),
            },
            file.path
        ),
    }
}

/// What an archive holds, without passwords; a line each.
pub fn lines(rbac: &Rbac) -> Vec<String> {
    let users = rbac.users.iter().map(|user| {
        let roles = output::joined(&user.roles, "no roles");
        let hash = match &user.password_hash {
            Some(_) => "with its password hash",
            None => "without password",
        };
        format!("user {}: {roles}; {hash}", user.name)
    });
    let roles = rbac.roles.iter().map(|role| format!("role {}", role.name));
    let groups = rbac.privilege_groups.iter().map(|group| {
        format!(
            "privilege group {}: {}",
            group.name,
            output::joined(&group.privileges, "empty")
        )
    });
    let grants = grants_in_words(&rbac.grants).into_iter();
    let grants = grants.map(|line| format!("grant to {line}"));
    users.chain(roles).chain(groups).chain(grants).collect()
}

/// What a restore has done, or would do; a line each.
pub fn restored(report: &RbacReport, dry_run: bool) -> Vec<String> {
    let mut made = Vec::new();
    for (what, names) in [
        ("user", &report.users),
        ("role", &report.roles),
        ("privilege group", &report.privilege_groups),
    ] {
        if !names.is_empty() {
            let number = units::count(names.len() as u64, what);
            made.push(format!("{number} ({})", output::joined(names, "")));
        }
    }
    for (what, number) in [
        ("extended privilege group", report.added_privileges.len()),
        ("membership", report.memberships.len()),
        ("grant", report.grants.len()),
    ] {
        if number > 0 {
            made.push(units::count(number as u64, what));
        }
    }
    let would = if dry_run { "would be made" } else { "made" };
    let mut lines = vec![if made.is_empty() {
        "users and roles: nothing is missing".to_owned()
    } else {
        format!("users and roles: {} {would}", made.join(", "))
    }];
    if dry_run {
        let memberships = report.memberships.iter();
        lines.extend(
            memberships.map(|one| format!("  {} would get the role {}", one.user, one.role)),
        );
        let grants = grants_in_words(&report.grants).into_iter();
        lines.extend(grants.map(|line| format!("  grant to {line}")));
    }
    if !report.without_password.is_empty() {
        lines.push(format!(
            "  not made, because nobody tells their passwords: {}; give them with --rbac-passwords",
            output::joined(&report.without_password, "")
        ));
    }
    lines.extend(
        report
            .left_out
            .iter()
            .map(|what| format!("  left out: {what}")),
    );
    lines.extend(report.notes.iter().map(|note| format!("  {note}")));
    lines
}
