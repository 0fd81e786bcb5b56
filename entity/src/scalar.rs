//! The custom scalars of the API, each parsed strictly.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime as Moment, Datelike, NaiveDate, SecondsFormat, Utc};
use fluent_uri::Uri;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub NaiveDate);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Moment<Utc>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(pub String);

/// A date without time or time zone, as `YYYY-MM-DD`. Example: `2026-11-24`.
#[Scalar(
    name = "Date",
    specified_by_url = "https://scalars.graphql.org/andimarek/local-date.html"
)]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let date = match &value {
            // Formatted again and compared, because chrono's parser accepts more forms than this one.
            Value::String(text) => NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()
                .filter(|date| (1..=9999).contains(&date.year()) && date.to_string() == *text),
            _ => None,
        };
        match date {
            Some(date) => Ok(Self(date)),
            None => Err(InputValueError::custom(
                "a Date is a day that exists, written YYYY-MM-DD",
            )),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A date and time as specified by RFC 3339, in any time zone as input. Responses are in UTC, with microseconds at most. Example: `2026-11-24T09:30:00.123456Z`.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://scalars.graphql.org/chillicream/date-time.html"
)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let moment = match &value {
            Value::String(text) if has_rfc3339_form(text) => Moment::parse_from_rfc3339(text).ok(),
            _ => None,
        };
        let fits = |moment: &Moment<Utc>| {
            moment.timestamp_subsec_nanos().is_multiple_of(1000)
                && (1..=9999).contains(&moment.year())
        };
        match moment.map(|moment| moment.to_utc()).filter(fits) {
            Some(moment) => Ok(Self(moment)),
            None => Err(InputValueError::custom(
                "a DateTime is written as specified by RFC 3339, with a time zone and microseconds at most: 2026-11-24T09:30:00Z",
            )),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// Returns whether a text has a `T` between date and time and no 60th second: chrono accepts a space and leap seconds.
fn has_rfc3339_form(text: &str) -> bool {
    matches!(text.as_bytes().get(10), Some(b'T' | b't')) && text.get(17..19) != Some("60")
}

/// Returns whether a text is an http or https URL by RFC 3986. The `url` crate alone would repair invalid ones.
fn is_web_address(text: &str) -> bool {
    let Ok(uri) = Uri::parse(text) else {
        return false;
    };
    let scheme = uri.scheme().as_str();
    ["http", "https"].iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme))
        && uri.authority().is_some_and(|authority| !authority.host().is_empty())
        // Checks the host and the range of the port.
        && url::Url::parse(text).is_ok()
}

/// An absolute URL that starts with `http://` or `https://`; at most 2,000 characters.
#[Scalar(
    name = "URL",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc3986"
)]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) if text.chars().count() <= 2000 && is_web_address(&text) => {
                Ok(Self(text))
            }
            _ => Err(InputValueError::custom(
                "a URL is absolute, starts with http:// or https://, and has 2,000 characters at most, others than those of RFC 3986 percent-encoded",
            )),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_existing_days_are_dates() {
        let date = |text: &str| Date::parse(Value::String(text.to_owned())).is_ok();
        assert!(date("2024-02-29"));
        for text in [
            "2026-02-30",
            "2026-2-3",
            "26-02-03",
            "0000-01-01",
            "+999-01-01",
            "2026-02-03T",
            " 2026-02-3",
            "２026-0-1",
            "",
        ] {
            assert!(!date(text), "{text}");
        }
        assert!(Date::parse(Value::from(20_260_101)).is_err());
    }

    #[test]
    fn date_times_have_an_offset_and_at_most_microseconds() {
        let moment = |text: &str| DateTime::parse(Value::String(text.to_owned())).ok();
        let utc = moment("2026-11-24T10:30:00.123456+01:00").expect("a moment");
        assert_eq!(
            utc.to_value(),
            Value::String("2026-11-24T09:30:00.123456Z".to_owned())
        );
        for text in [
            "2026-11-24",
            "2026-11-24T09:30:00",
            "2026-11-24T09:30:00.1234567Z",
            "2026-02-30T00:00:00Z",
            "2023-12-24 15:30:00Z",
            "2023-12-24_15:30:00Z",
            "2016-12-31T23:59:60Z",
            "2023-12-24T15:30:60Z",
            "2023-12-24",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn urls_are_absolute() {
        let url = |text: &str| Url::parse(Value::String(text.to_owned())).is_ok();
        for text in [
            "https://www.itu.int/rec/T-REC-E.800",
            "HTTPS://WWW.ITU.INT/",
            "http://[2001:db8::1]:8080/x?y=1#z",
            "https://xn--e1afmkfd.xn--p1ai/",
            "https://itu.int/a%20b",
        ] {
            assert!(url(text), "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "//itu.int",
            "itu.int",
            "ftp://itu.int",
            "https://",
            "https://itu.int/a b",
            "https://itu.int/\n",
            "http:itu.int",
            "http:/itu.int",
            "https:///itu.int",
            "https:\\\\itu.int\\x",
            "http://itu.int\\@evil.example/",
            "https://itu.int:99999/",
            "https://itu.int/<script>",
            "https://itu.int/%zz",
            "https://itu.int/é",
        ] {
            assert!(!url(text), "{text}");
        }
        let long = format!("https://itu.int/{}", "x".repeat(1984));
        assert!(url(&long) && !url(&format!("{long}x")));
    }
}
