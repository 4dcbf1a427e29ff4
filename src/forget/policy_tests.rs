#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn times(texts: &[&str]) -> Vec<Timestamp> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Long after all archives of these tests.
fn now() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

fn span(text: &str) -> Span {
    text.parse().unwrap()
}

/// The reasons, each archive's joined.
fn reasons(policy: &Policy, texts: &[&str]) -> Vec<String> {
    let all = policy.reasons(&times(texts), now());
    all.into_iter().map(|one| one.join(", ")).collect()
}

#[test]
fn the_newest_of_each_period_is_kept_and_empty_periods_do_not_count() {
    let policy = Policy {
        daily: Keep::Newest(3),
        ..Policy::default()
    };
    let found = reasons(
        &policy,
        &[
            "2026-11-21T20:00:00Z",
            "2026-11-21T02:00:00Z",
            "2026-11-14T02:00:00Z",
            "2026-10-01T23:59:59Z",
            "2026-10-01T00:00:00Z",
            "2026-09-30T00:00:00Z",
        ],
    );
    assert_eq!(found, ["daily", "", "daily", "daily", "", ""]);
}

#[test]
fn rules_are_ored_and_each_says_why() {
    let policy = Policy {
        last: Keep::Newest(1),
        weekly: Keep::Newest(2),
        yearly: Keep::All,
        within: span("1d"),
        ..Policy::default()
    };
    let found = reasons(
        &policy,
        &[
            "2026-11-21T20:00:00Z",
            "2026-11-20T21:00:00Z",
            "2026-11-20T19:00:00Z",
            "2026-11-13T02:00:00Z",
            "2025-12-31T00:00:00Z",
        ],
    );
    assert_eq!(
        found,
        [
            "within 1d, last, weekly, yearly",
            "within 1d",
            "",
            "weekly",
            "yearly"
        ]
    );
}

#[test]
fn the_oldest_is_kept_while_a_rule_has_not_found_as_many() {
    let two_days = [
        "2026-11-21T20:00:00Z",
        "2026-11-20T20:00:00Z",
        "2026-11-20T19:00:00Z",
        "2026-11-20T18:00:00Z",
    ];
    let daily = |count| Policy {
        daily: Keep::Newest(count),
        ..Policy::default()
    };
    assert_eq!(
        reasons(&daily(3), &two_days),
        ["daily", "daily", "", "oldest daily"]
    );
    assert_eq!(reasons(&daily(2), &two_days), ["daily", "daily", "", ""]);
}

#[test]
fn archives_of_one_second_are_one_period() {
    let same = ["2026-11-21T20:00:00Z"; 3];
    let policy = Policy {
        last: Keep::Newest(2),
        hourly: Keep::Newest(1),
        ..Policy::default()
    };
    assert_eq!(reasons(&policy, &same), ["last, hourly", "last", ""]);
}

#[test]
fn weeks_are_those_of_iso_8601_across_the_new_year() {
    let policy = Policy {
        weekly: Keep::Newest(2),
        ..Policy::default()
    };
    // 2020 has a week 53, from Monday 28 December to Sunday 3 January.
    let found = reasons(
        &policy,
        &[
            "2021-01-04T00:00:00Z",
            "2021-01-03T23:59:59Z",
            "2020-12-28T00:00:00Z",
            "2020-12-27T23:59:59Z",
        ],
    );
    assert_eq!(found, ["weekly", "weekly", "", ""]);
}

#[test]
fn leap_days_and_ends_of_months_and_years_part_periods() {
    let policy = Policy {
        monthly: Keep::Newest(3),
        yearly: Keep::Newest(2),
        ..Policy::default()
    };
    let found = reasons(
        &policy,
        &[
            "2024-03-01T00:00:00Z",
            "2024-02-29T23:59:59Z",
            "2024-02-28T00:00:00Z",
            "2024-01-01T00:00:00Z",
            "2023-12-31T23:59:59Z",
            "2023-01-01T00:00:00Z",
        ],
    );
    assert_eq!(
        found,
        ["monthly, yearly", "monthly", "", "monthly", "yearly", ""]
    );
}

#[test]
fn days_begin_where_the_zone_says() {
    let mut policy = Policy {
        daily: Keep::Newest(2),
        ..Policy::default()
    };
    let night = [
        "2026-11-21T01:00:00Z",
        "2026-11-20T23:30:00Z",
        "2026-11-20T22:30:00Z",
        "2026-11-19T12:00:00Z",
    ];
    assert_eq!(reasons(&policy, &night), ["daily", "daily", "", ""]);
    policy.zone = TimeZone::fixed(jiff::tz::offset(1));
    assert_eq!(reasons(&policy, &night), ["daily", "", "daily", ""]);
}

#[test]
fn lengths_of_time_go_back_on_the_calendar() {
    let zone = TimeZone::UTC;
    let back = |text: &str, from: &str| {
        let moment: Timestamp = from.parse().unwrap();
        span(text)
            .before(&moment.to_zoned(zone.clone()))
            .to_string()
    };
    for (length, from, to) in [
        ("1d", "2026-03-01T10:00:00Z", "2026-02-28T10:00:00Z"),
        ("1y", "2024-02-29T10:00:00Z", "2023-03-01T10:00:00Z"),
        ("4y", "2024-02-29T10:00:00Z", "2020-02-29T10:00:00Z"),
        ("1m", "2026-03-31T00:00:00Z", "2026-03-03T00:00:00Z"),
        ("1m", "2026-01-15T00:00:00Z", "2025-12-15T00:00:00Z"),
        ("13m", "2026-01-15T00:00:00Z", "2024-12-15T00:00:00Z"),
        ("36h", "2026-01-01T00:00:00Z", "2025-12-30T12:00:00Z"),
        ("1y5m7d2h", "2026-11-21T20:00:00Z", "2025-06-14T18:00:00Z"),
    ] {
        assert_eq!(back(length, from), to, "{length} before {from}");
    }
    // Further back than there are years: everything is later.
    let all = Policy {
        within: span("30000y"),
        ..Policy::default()
    };
    let found = reasons(&all, &["2026-11-21T20:00:00Z", "0001-01-01T00:00:00Z"]);
    assert_eq!(found, ["within 30000y", "within 30000y"]);
}

#[test]
fn an_archive_from_the_future_is_not_the_latest() {
    let policy = Policy {
        within: span("1d"),
        ..Policy::default()
    };
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let times = times(&[
        "2036-01-01T00:00:00Z",
        "2026-11-21T00:00:00Z",
        "2026-11-20T06:00:00Z",
        "2026-11-19T06:00:00Z",
    ]);
    let kept: Vec<bool> = policy
        .reasons(&times, now)
        .iter()
        .map(|reasons| !reasons.is_empty())
        .collect();
    assert_eq!(kept, [true, true, true, false]);
}

#[test]
fn what_keeps_nothing_is_empty() {
    assert!(Policy::default().is_empty());
    let zero = Policy {
        daily: Keep::Newest(0),
        ..Policy::default()
    };
    assert!(zero.is_empty());
    let within = Policy {
        within: span("1h"),
        ..Policy::default()
    };
    assert!(!within.is_empty());
}

#[test]
fn numbers_and_lengths_are_read_as_restic_reads_them() {
    assert_eq!("7".parse(), Ok(Keep::Newest(7)));
    assert_eq!("unlimited".parse(), Ok(Keep::All));
    assert_eq!("-1".parse(), Ok(Keep::All));
    for text in ["-2", "", "x", "1.5"] {
        assert!(text.parse::<Keep>().is_err(), "{text}");
    }
    assert_eq!(span("2h7d5m1y"), span("1y5m7d2h"));
    assert_eq!(span("1y5m7d2h").to_string(), "1y5m7d2h");
    for text in ["", "7", "d", "7w", "1y-5m", "0d", "99999999999y", "1ü"] {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
}

/// Which archives stay, found in another way: for each rule, the set of periods there are, newest first, of which the
/// first so many count.
fn model(times: &[Timestamp], counts: &[(Option<usize>, &str)], within_days: i64) -> Vec<bool> {
    let mut kept = vec![false; times.len()];
    let format = |time: &Timestamp, pattern: &str| time.strftime(pattern).to_string();
    for (count, pattern) in counts {
        let Some(count) = *count else { continue };
        let mut periods: Vec<String> = Vec::new();
        for (at, time) in times.iter().enumerate() {
            let period = match *pattern {
                "" => at.to_string(),
                pattern => format(time, pattern),
            };
            if !periods.contains(&period) {
                if periods.len() < count {
                    kept[at] = true;
                }
                periods.push(period);
            }
        }
        if periods.len() < count
            && let Some(oldest) = kept.last_mut()
        {
            *oldest = true;
        }
    }
    if within_days > 0 {
        let since = times[0].as_second() - within_days * 86_400;
        for (at, time) in times.iter().enumerate() {
            kept[at] |= time.as_second() > since;
        }
    }
    kept
}

proptest! {
    #[test]
    fn a_policy_keeps_what_a_simple_model_keeps(
        mut seconds in proptest::collection::vec(1_700_000_000_i64..1_700_000_000 + 900 * 86_400, 1..60),
        dense in any::<bool>(),
        counts in proptest::collection::vec(proptest::option::of(0_usize..8), 6),
        days in 0_u32..40,
    ) {
        if dense {
            // Many in a few days, and some of the same second.
            for second in &mut seconds {
                *second = 1_700_000_000 + (*second % 200) * 1800;
            }
        }
        seconds.sort_unstable_by(|a, b| b.cmp(a));
        let times: Vec<Timestamp> = seconds.iter().map(|at| Timestamp::from_second(*at).unwrap()).collect();
        let patterns = ["", "%Y%m%d%H", "%Y%m%d", "%G-%V", "%Y%m", "%Y"];
        let keep = |at: usize| match counts[at] {
            None => Keep::None,
            // Seven stands for all of them.
            Some(7) => Keep::All,
            Some(count) => Keep::Newest(count as u64),
        };
        let policy = Policy {
            last: keep(0),
            hourly: keep(1),
            daily: keep(2),
            weekly: keep(3),
            monthly: keep(4),
            yearly: keep(5),
            within: Span { days, ..Span::default() },
            zone: TimeZone::UTC,
        };
        let counted: Vec<(Option<usize>, &str)> = counts
            .iter()
            .map(|count| count.map(|count| if count == 7 { usize::MAX } else { count }))
            .zip(patterns)
            .collect();
        let kept: Vec<bool> = policy.reasons(&times, now()).iter().map(|one| !one.is_empty()).collect();
        prop_assert_eq!(kept, model(&times, &counted, i64::from(days)));
    }
}
