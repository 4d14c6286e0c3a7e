//! Time zones and days: the day of a report is a day in the zone of its account.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::Millis;

/// The zone of an account whose configuration names none: both gateways reckon in China's time.
pub const DEFAULT_ZONE: &str = "Asia/Shanghai";

/// A time zone by its IANA name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of this name in the IANA database. `None` for anything else, offsets like `+08:00` included.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        zone.iana_name()?;
        Some(Self(zone))
    }

    /// Its IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The day of this moment here.
    #[must_use]
    pub fn day_of(&self, at: Millis) -> Day {
        let at = i64::try_from(at.0).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
        Day(at.unwrap_or(Timestamp::MAX).to_zoned(self.0.clone()).date())
    }

    /// The first moment of a day here, and the first moment after it. `None` outside of what a clock can say, and before 1970.
    #[must_use]
    pub fn span(&self, day: Day) -> Option<(Millis, Millis)> {
        let begin = |date: Date| {
            let at = date.to_zoned(self.0.clone()).ok()?.start_of_day().ok()?.timestamp();
            u64::try_from(at.as_millisecond()).ok().map(Millis)
        };
        Some((begin(day.0)?, begin(day.0.tomorrow().ok()?)?))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::get(DEFAULT_ZONE).unwrap_or(TimeZone::UTC)) // the database is a part of the program
    }
}

/// A day of the calendar: `2026-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Day {
    /// Reads `YYYY-MM-DD`, and nothing else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let shape = |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
        let fits = text.len() == 10 && text.bytes().enumerate().all(shape);
        text.parse().ok().filter(|_| fits).map(Self)
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        self.0.yesterday().ok().map(Self)
    }

    /// The day after.
    #[must_use]
    pub fn after(self) -> Option<Self> {
        self.0.tomorrow().ok().map(Self)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn zones_are_names_of_the_database_in_the_binary() {
        assert_eq!(Zone::default().name(), DEFAULT_ZONE);
        for name in ["Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu", "UTC"] {
            assert_eq!(Zone::read(name).unwrap().name(), name);
        }
        for wrong in ["", "Asia/Peking", "+08:00", "GMT+8 ", "local", "../etc/passwd"] {
            assert_eq!(Zone::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_is_as_long_as_its_zone_makes_it() {
        for (zone, day, from, until) in [
            ("Asia/Shanghai", "2026-12-01", "2026-11-30T16:00:00Z", "2026-12-01T16:00:00Z"),
            ("Asia/Kathmandu", "2026-12-01", "2026-11-30T18:15:00Z", "2026-12-01T18:15:00Z"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"), // 23 hours
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"), // 25 hours
            ("America/Asuncion", "2023-10-01", "2023-10-01T04:00:00Z", "2023-10-02T03:00:00Z"), // it has no midnight
        ] {
            let (zone, day) = (Zone::read(zone).unwrap(), Day::read(day).unwrap());
            assert_eq!(zone.span(day), Some((at(from), at(until))), "{} {day}", zone.name());
            assert_eq!((zone.day_of(at(from)), zone.day_of(Millis(at(until).0 - 1))), (day, day), "{}", zone.name());
            assert_eq!(Some(zone.day_of(at(until))), day.after());
            assert_eq!(Some(zone.day_of(Millis(at(from).0 - 1))), day.before());
        }
    }

    #[test]
    fn a_day_is_written_in_one_way() {
        assert_eq!(Day::read("2026-12-01").unwrap().to_string(), "2026-12-01");
        for wrong in ["", "2026-12-1", "20261201", "2026-13-01", "2026-02-29", "2026-12-01T00:00:00Z", "+02026-12-01"] {
            assert_eq!(Day::read(wrong), None, "{wrong}");
        }
        assert_eq!(Zone::default().span(Day::read("1969-12-31").unwrap()), None);
    }
}
