//! Cron expressions of Quartz, as schedules of jobs have them: seconds first, a year at the end if there is one, `?`, `L`, `W`, `#`,
//! days of the week from 1 (Sunday) to 7, and ranges that go round (`FRI-MON`).
//!
//! Where clocks are put forward, a time that does not exist is passed over until its next day; where they are put back, a time
//! that comes twice counts once, the second time. So does Quartz, and so the publisher warns of schedules in such zones.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use std::ops::RangeInclusive;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const YEARS: RangeInclusive<u16> = 1970..=2299;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    seconds: Bits,
    minutes: Bits,
    hours: Bits,
    months: Bits,
    days: Days,
    years: Vec<u16>,
}

/// Numbers below 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bits(u64);

impl Bits {
    fn of(numbers: &[u16]) -> Self {
        Self(numbers.iter().fold(0, |bits, number| bits | 1 << number))
    }

    fn has(self, number: u16) -> bool {
        self.0 >> number & 1 == 1
    }

    fn each(self) -> impl Iterator<Item = i8> {
        (0..60).filter(move |number| self.has(u16::try_from(*number).unwrap_or(63)))
    }
}

/// One of the two fields of days says which, and the other says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<MonthDay>),
    OfWeek(Vec<WeekDay>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum MonthDay {
    In(Bits),
    /// The weekday (Monday to Friday) nearest to this day, in this month.
    Near(u16),
    /// So many days before the last.
    Last {
        before: u16,
        near: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum WeekDay {
    /// 1 is Sunday.
    In(Bits),
    Nth(u16, u16),
    Last(u16),
}

/// When something runs in a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// The first of them.
    pub(super) first: Vec<Timestamp>,
    /// How many there are.
    pub(super) count: u64,
    /// Local times that fall into an hour which the clocks pass over, and so do not come.
    pub(super) skipped: Vec<DateTime>,
    /// Local times that come twice, and count once.
    pub(super) doubled: Vec<DateTime>,
}

impl Cron {
    /// Reads an expression. Errors: why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let fields: Vec<&str> = upper.split_ascii_whitespace().collect();
        let (&[seconds, minutes, hours, of_month, month, of_week], years) = match fields.len() {
            6 | 7 => (fields.first_chunk::<6>().ok_or("it has no fields")?, fields.get(6)),
            count => return Err(format!("it has {count} fields, and not six or seven")),
        };
        let bits = |what: &str, field: &str, range, names: &[&str]| {
            numbers(field, range, names).map(|found| Bits::of(&found)).map_err(|why| format!("{what}: {why}"))
        };
        let days = match (of_month, of_week) {
            ("?", "?") => return Err("the day of the month and the day of the week are both `?`".to_owned()),
            ("*", "?") => Days::OfMonth(vec![MonthDay::In(Bits(u64::MAX))]),
            (_, "?") => Days::OfMonth(of_month.split(',').map(month_day).collect::<Result<_, _>>()?),
            ("?", _) => Days::OfWeek(of_week.split(',').map(week_day).collect::<Result<_, _>>()?),
            _ => return Err("one of the day of the month and the day of the week must be `?`".to_owned()),
        };
        Ok(Self {
            seconds: bits("seconds", seconds, 0..=59, &[])?,
            minutes: bits("minutes", minutes, 0..=59, &[])?,
            hours: bits("hours", hours, 0..=23, &[])?,
            months: bits("months", month, 1..=12, &MONTHS)?,
            days,
            years: years.map_or(Ok(Vec::new()), |field| numbers(field, YEARS, &[]).map_err(|why| format!("years: {why}")))?,
        })
    }

    /// When it runs from one time (that one included) to another (excluded), at most `most` one by one.
    pub(super) fn between(&self, zone: &TimeZone, from: Timestamp, to: Timestamp, most: usize) -> Times {
        let mut times = Times::default();
        let (mut date, last) = (zone.to_datetime(from).date(), zone.to_datetime(to).date());
        while date <= last {
            if self.on(date) {
                self.in_day(date, zone, (from, to), most, &mut times);
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        times
    }

    fn in_day(&self, date: Date, zone: &TimeZone, (from, to): (Timestamp, Timestamp), most: usize, times: &mut Times) {
        for hour in self.hours.each() {
            for minute in self.minutes.each() {
                for second in self.seconds.each() {
                    let local = date.to_datetime(Time::constant(hour, minute, second, 0));
                    let found = zone.to_ambiguous_timestamp(local);
                    let within = |at: &Timestamp| *at >= from && *at < to;
                    match found.offset() {
                        AmbiguousOffset::Unambiguous { .. } => {}
                        AmbiguousOffset::Gap { .. } => {
                            // As an instant it would lie just behind the gap.
                            let about = found.compatible().ok().filter(within);
                            times.skipped.extend(about.filter(|_| times.skipped.len() < most).map(|_| local));
                            continue;
                        }
                        AmbiguousOffset::Fold { .. } => {
                            let twice = found.later().ok().filter(within);
                            times.doubled.extend(twice.filter(|_| times.doubled.len() < most).map(|_| local));
                        }
                    }
                    if let Some(at) = found.later().ok().filter(within) {
                        times.count += 1;
                        times.first.extend((times.first.len() < most).then_some(at));
                    }
                }
            }
        }
    }

    fn on(&self, date: Date) -> bool {
        let year = u16::try_from(date.year()).unwrap_or_default();
        let month = u16::try_from(date.month()).unwrap_or_default();
        let day = match &self.days {
            Days::OfMonth(days) => days.iter().any(|one| one.is(date)),
            Days::OfWeek(days) => days.iter().any(|one| one.is(date)),
        };
        day && self.months.has(month) && (self.years.is_empty() || self.years.contains(&year))
    }
}

impl MonthDay {
    fn is(&self, date: Date) -> bool {
        let day = u16::try_from(date.day()).unwrap_or_default();
        match self {
            Self::In(days) => days.has(day),
            // A month that has no such day has none near it either.
            Self::Near(wanted) => {
                number_in(date, i16::try_from(*wanted).unwrap_or_default()).is_some_and(|day| nearest(day) == date)
            }
            Self::Last { before, near } => {
                let wanted = date.last_of_month().checked_sub(i64::from(*before).days());
                wanted.is_ok_and(|day| day.month() == date.month() && if *near { nearest(day) == date } else { day == date })
            }
        }
    }
}

fn number_in(date: Date, day: i16) -> Option<Date> {
    Date::new(date.year(), date.month(), i8::try_from(day).ok()?).ok()
}

/// The nearest day from Monday to Friday in the same month.
fn nearest(day: Date) -> Date {
    let moved = |days: i64| day.checked_add(days.days()).unwrap_or(day);
    match day.weekday() {
        Weekday::Saturday if day.day() == 1 => moved(2),
        Weekday::Saturday => moved(-1),
        Weekday::Sunday if day == day.last_of_month() => moved(-2),
        Weekday::Sunday => moved(1),
        _ => day,
    }
}

impl WeekDay {
    fn is(&self, date: Date) -> bool {
        let weekday = u16::try_from(date.weekday().to_sunday_one_offset()).unwrap_or_default();
        let day = u16::try_from(date.day()).unwrap_or_default();
        match self {
            Self::In(days) => days.has(weekday),
            Self::Nth(wanted, nth) => weekday == *wanted && (day - 1) / 7 + 1 == *nth,
            Self::Last(wanted) => weekday == *wanted && date.day() + 7 > date.days_in_month(),
        }
    }
}

/// One element of the field of days of the month.
fn month_day(text: &str) -> Result<MonthDay, String> {
    let failed = |why: String| format!("day of the month: {why}");
    let day = |text: &str| number(text, &(1..=31), &[]).map_err(failed);
    if let Some(rest) = text.strip_prefix('L') {
        let (rest, near) = rest.strip_suffix('W').map_or((rest, false), |rest| (rest, true));
        let before = match rest.strip_prefix('-') {
            Some(days) => number(days, &(0..=30), &[]).map_err(failed)?,
            None if rest.is_empty() => 0,
            None => return Err(failed(format!("\"{text}\" is none"))),
        };
        return Ok(MonthDay::Last { before, near });
    }
    match text.strip_suffix('W') {
        Some(near) => day(near).map(MonthDay::Near),
        None => numbers(text, 1..=31, &[]).map(|days| MonthDay::In(Bits::of(&days))).map_err(failed),
    }
}

/// One element of the field of days of the week.
fn week_day(text: &str) -> Result<WeekDay, String> {
    let failed = |why: String| format!("day of the week: {why}");
    let day = |text: &str| number(text, &(1..=7), &WEEKDAYS).map_err(failed);
    if let Some((weekday, nth)) = text.split_once('#') {
        return Ok(WeekDay::Nth(day(weekday)?, number(nth, &(1..=5), &[]).map_err(failed)?));
    }
    match text.strip_suffix('L') {
        Some("") => Ok(WeekDay::In(Bits::of(&[7]))),
        Some(weekday) => day(weekday).map(WeekDay::Last),
        None => numbers(text, 1..=7, &WEEKDAYS).map(|days| WeekDay::In(Bits::of(&days))).map_err(failed),
    }
}

/// The numbers of a field: `*`, `a`, `a-b`, `a/n`, `*/n`, `a-b/n`, with commas between them.
fn numbers(field: &str, range: RangeInclusive<u16>, names: &[&str]) -> Result<Vec<u16>, String> {
    let mut all = Vec::new();
    for part in field.split(',') {
        let (span, step) = part.split_once('/').map_or((part, None), |(span, step)| (span, Some(step)));
        let step = match step {
            Some(step) => number(step, &(1..=u16::MAX), &[]).map_err(|_| format!("the step of \"{part}\" is none"))?,
            None => 1,
        };
        let (from, to) = match (span, span.split_once('-')) {
            ("*" | "", _) if !part.is_empty() => (*range.start(), *range.end()),
            (_, Some((from, to))) => (number(from, &range, names)?, number(to, &range, names)?),
            (one, None) => {
                let one = number(one, &range, names)?;
                (one, if part.contains('/') { *range.end() } else { one })
            }
        };
        // What goes round goes on at the start.
        let width = *range.end() - *range.start() + 1;
        let end = if from <= to { to } else { to + width };
        all.extend(
            (from..=end).step_by(usize::from(step)).map(|number| if number > *range.end() { number - width } else { number }),
        );
    }
    Ok(all)
}

fn number(text: &str, range: &RangeInclusive<u16>, names: &[&str]) -> Result<u16, String> {
    let named = names.iter().position(|name| *name == text).and_then(|at| u16::try_from(at + 1).ok());
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = named.or_else(|| text.parse().ok().filter(|_| digits)).ok_or_else(|| format!("\"{text}\" is none"))?;
    if range.contains(&number) { Ok(number) } else { Err(format!("{number} is not from {} to {}", range.start(), range.end())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(expression: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let found = Cron::parse(expression).expect("an expression").between(&zone, at(from), at(to), 1000);
        assert_eq!(found.count, found.first.len() as u64);
        found.first.iter().map(|at| zone.to_datetime(*at).strftime("%m-%dT%H:%M:%S").to_string()).collect()
    }

    fn in_march(expression: &str) -> Vec<String> {
        let days = times(expression, "UTC", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z");
        days.iter().map(|day| day[3..5].to_owned()).collect()
    }

    #[test]
    fn days_of_the_month_and_of_the_week() {
        // The first of March 2026 is a Sunday.
        for (expression, days) in [
            ("0 0 9 L * ?", "31"),
            ("0 0 9 L-3 * ?", "28"),
            ("0 0 9 LW * ?", "31"),
            ("0 0 9 L-3W * ?", "27"),
            ("0 0 9 1W * ?", "02"),
            ("0 0 9 15W * ?", "16"),
            ("0 0 9 14W * ?", "13"),
            ("0 0 9 5/10 * ?", "05 15 25"),
            ("0 0 9 ? * 6L", "27"),
            ("0 0 9 ? * FRIL", "27"),
            ("0 0 9 ? * L", "07 14 21 28"),
            ("0 0 9 ? * 6#3", "20"),
            ("0 0 9 ? * SUN#5", "29"),
            ("0 0 9 ? * FRI-SUN 2026", "01 06 07 08 13 14 15 20 21 22 27 28 29"),
            ("0 0 9 ? 1-2,APR-DEC MON", ""),
            ("0 0 9 * * ? 2027", ""),
        ] {
            assert_eq!(in_march(expression).join(" "), days, "{expression}");
        }
    }

    #[test]
    fn hours_that_are_passed_over_or_come_twice() {
        let night = |expression, from, to| times(expression, "Europe/Berlin", from, to);
        let spring = ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        assert_eq!(night("0 30 2 * * ?", spring.0, spring.1), [] as [&str; 0]);
        assert_eq!(night("0 0 * * * ?", spring.0, spring.1).len(), 23);
        let autumn = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        assert_eq!(night("0 30 2 * * ?", autumn.0, autumn.1), ["10-25T02:30:00"]);
        assert_eq!(night("0 0 * * * ?", autumn.0, autumn.1).len(), 24);
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let cron = Cron::parse("0 30 2 * * ?").expect("an expression");
        let found = cron.between(&zone, at(spring.0), at(spring.1), 9);
        assert_eq!((found.skipped.len(), found.doubled.len()), (1, 0));
        let found = cron.between(&zone, at(autumn.0), at(autumn.1), 9);
        assert_eq!((found.skipped.len(), found.doubled.len()), (0, 1));
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        for (bad, why) in [
            ("0 0 2 * *", "5 fields"),
            ("0 0 2 * * *", "must be `?`"),
            ("0 0 2 ? * ?", "both `?`"),
            ("60 0 2 * * ?", "60 is not from 0 to 59"),
            ("0 0 24 * * ?", "24 is not from 0 to 23"),
            ("0 x 2 * * ?", "\"X\" is none"),
            ("0 0/0 2 * * ?", "step"),
            ("0 0 2 32 * ?", "32"),
            ("0 0 2 ? * 8", "8"),
            ("0 0 2 Lx * ?", "none"),
            ("0 , 2 * * ?", "none"),
            ("", "0 fields"),
        ] {
            let found = Cron::parse(bad).expect_err(bad);
            assert!(found.contains(why), "{bad}: {found}");
        }
    }

    #[test]
    fn many_are_counted() {
        let zone = TimeZone::UTC;
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let found = Cron::parse("* * * * * ?").expect("an expression").between(
            &zone,
            at("2026-01-01T12:00:00Z"),
            at("2026-01-02T12:00:00Z"),
            5,
        );
        assert_eq!((found.count, found.first.len()), (86_400, 5));
    }
}
