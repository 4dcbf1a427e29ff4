//! Which archives a policy keeps: restic's rules, so that those who know them need not learn others.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// How many archives of a kind are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// None: the rule is not there.
    #[default]
    None,
    /// So many.
    Newest(u64),
    /// As many as there are.
    All,
}

/// What is kept. Rules are ORed: an archive stays if one of them keeps it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The newest archives.
    pub last: Keep,
    /// The newest archive of each hour that has one.
    pub hourly: Keep,
    /// The same of days.
    pub daily: Keep,
    /// The same of weeks, which are those of ISO 8601.
    pub weekly: Keep,
    /// The same of months.
    pub monthly: Keep,
    /// The same of years.
    pub yearly: Keep,
    /// All that are newer than so long before the latest.
    pub within: Span,
    /// Where hours, days, weeks, months and years begin and end.
    pub zone: TimeZone,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            last: Keep::None,
            hourly: Keep::None,
            daily: Keep::None,
            weekly: Keep::None,
            monthly: Keep::None,
            yearly: Keep::None,
            within: Span::default(),
            zone: TimeZone::UTC,
        }
    }
}

/// A length of time on the calendar, such as `1y5m7d2h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    years: u32,
    months: u32,
    days: u32,
    hours: u32,
}

/// The period that a time is in; counted periods of one kind differ where the times are in different ones.
type Period = fn(&Zoned, usize) -> i64;

/// A rule that counts: how many are left, which period was kept last, and what its archives are called.
struct Rule {
    left: Keep,
    period: Period,
    last: Option<i64>,
    reason: &'static str,
}

impl Policy {
    /// Whether it keeps nothing at all.
    pub fn is_empty(&self) -> bool {
        self.within.is_zero() && self.rules().iter().all(|rule| !rule.left.any())
    }

    /// Why each of the archives that were begun at `times`, the newest first, is kept; no reasons: it is not.
    pub fn reasons(&self, times: &[Timestamp], now: Timestamp) -> Vec<Vec<String>> {
        let mut rules = self.rules();
        // A clock that was wrong once must not make everything else look old.
        let latest = times.iter().copied().filter(|time| *time < now).max();
        // Where all are from the future, restic keeps all.
        let since = latest.map_or(Timestamp::MIN, |latest| {
            self.within.before(&latest.to_zoned(self.zone.clone()))
        });
        let mut all = Vec::with_capacity(times.len());
        for (position, time) in times.iter().enumerate() {
            let oldest = position + 1 == times.len();
            let mut reasons = Vec::new();
            if !self.within.is_zero() && *time > since {
                reasons.push(format!("within {}", self.within));
            }
            let zoned = time.to_zoned(self.zone.clone());
            for rule in &mut rules {
                reasons.extend(rule.keeps(&zoned, position, oldest));
            }
            all.push(reasons);
        }
        all
    }

    fn rules(&self) -> [Rule; 6] {
        let rule = |left: Keep, period: Period, reason| Rule {
            left,
            period,
            last: None,
            reason,
        };
        [
            rule(self.last, |_, position| position as i64, "last"),
            rule(self.hourly, |time, _| hour(time), "hourly"),
            rule(self.daily, |time, _| day(time), "daily"),
            rule(self.weekly, |time, _| week(time), "weekly"),
            rule(self.monthly, |time, _| month(time), "monthly"),
            rule(self.yearly, |time, _| i64::from(time.year()), "yearly"),
        ]
    }
}

fn month(time: &Zoned) -> i64 {
    i64::from(time.year()) * 100 + i64::from(time.month())
}

fn day(time: &Zoned) -> i64 {
    month(time) * 100 + i64::from(time.day())
}

fn hour(time: &Zoned) -> i64 {
    day(time) * 100 + i64::from(time.hour())
}

/// The year of a week is that of its Thursday.
fn week(time: &Zoned) -> i64 {
    let week = time.date().iso_week_date();
    i64::from(week.year()) * 100 + i64::from(week.week())
}

impl Rule {
    /// Why it keeps the next archive, if it does. As long as some are left to count, the oldest of all is kept, too: so
    /// the history that is kept is as long as it can be.
    fn keeps(&mut self, time: &Zoned, position: usize, oldest: bool) -> Option<String> {
        if !self.left.any() {
            return None;
        }
        let period = (self.period)(time, position);
        let same = self.last == Some(period);
        if same && !oldest {
            return None;
        }
        self.last = Some(period);
        self.left.take();
        let which = if same { "oldest " } else { "" };
        Some(format!("{which}{}", self.reason))
    }
}

impl Keep {
    fn any(self) -> bool {
        !matches!(self, Keep::None | Keep::Newest(0))
    }

    fn take(&mut self) {
        if let Keep::Newest(left) = self {
            *left = left.saturating_sub(1);
        }
    }
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Keep, String> {
        match text {
            "unlimited" | "-1" => Ok(Keep::All),
            _ => text
                .parse()
                .map(Keep::Newest)
                .map_err(|_| "write a number, or unlimited".to_owned()),
        }
    }
}

impl Span {
    /// Whether it has no length.
    pub fn is_zero(&self) -> bool {
        *self == Span::default()
    }

    /// The moment so long before another. A month before 31 March is 3 March: the day that the month lacks is counted
    /// on, as restic does.
    pub fn before(&self, moment: &Zoned) -> Timestamp {
        // Longer ago than the calendar goes: then everything is later.
        self.try_before(moment).unwrap_or(Timestamp::MIN)
    }

    fn try_before(&self, moment: &Zoned) -> Option<Timestamp> {
        let months = i64::from(moment.year()) * 12 + i64::from(moment.month())
            - 1
            - i64::from(self.years) * 12
            - i64::from(self.months);
        let year = i16::try_from(months.div_euclid(12)).ok()?;
        let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
        let days = i64::from(moment.day()) - 1 - i64::from(self.days);
        let first = Date::new(year, month, 1).ok()?;
        let date = first.checked_add(days.days()).ok()?;
        let day = date.to_datetime(moment.time());
        let zoned = day.to_zoned(moment.time_zone().clone()).ok()?;
        let hours = SignedDuration::from_hours(i64::from(self.hours));
        zoned.timestamp().checked_sub(hours).ok()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, unit) in [
            (self.years, 'y'),
            (self.months, 'm'),
            (self.days, 'd'),
            (self.hours, 'h'),
        ] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let bad = || {
            format!(
                "{text:?} is no length of time: write years, months, days and hours, as in 1y5m7d2h"
            )
        };
        let mut span = Span::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let number = rest[..end].parse().map_err(|_| bad())?;
            let mut behind = rest[end..].chars();
            match behind.next() {
                Some('y') => span.years = number,
                Some('m') => span.months = number,
                Some('d') => span.days = number,
                Some('h') => span.hours = number,
                _ => return Err(bad()),
            }
            rest = behind.as_str();
        }
        if span.is_zero() {
            return Err(bad());
        }
        Ok(span)
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
