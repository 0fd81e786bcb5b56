//! Helpers for decision-table tests.

use entity::party::{Party, Side};
use sea_orm::ActiveEnum;

use crate::domain::rejection::{Code, Decision, Rejection};

pub const PARTIES: [Party; 3] = [Party::Itu, Party::Upu, Party::Tsb];
pub const SIDES: [Option<Side>; 3] = [Some(Side::Itu), Some(Side::Upu), None];

/// Swaps ITU and UPU; the TSB stays.
pub fn exchanged(party: Party) -> Party {
    match party {
        Party::Itu => Party::Upu,
        Party::Upu => Party::Itu,
        Party::Tsb => Party::Tsb,
    }
}

/// Returns `yes`, `–` if the party may never do it, or `now` if it may not now.
pub fn cell<T>(decision: &Decision<T>) -> &'static str {
    match decision {
        Ok(_) => "yes",
        Err(Rejection::Unauthenticated(_) | Rejection::Forbidden(_)) => "–",
        Err(Rejection::Stale { .. }) => "stale",
        Err(Rejection::Problems(problems)) => {
            assert_eq!(problems[0].code, Code::NotAllowedNow);
            "now"
        }
    }
}

/// Returns the name of a value, or `none`.
pub fn name<E: ActiveEnum<Value = String>>(value: Option<E>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_value())
}

/// Appends a row with its cells padded to their widths, without trailing spaces.
pub fn row<const N: usize>(table: &mut String, cells: [(&str, usize); N]) {
    for (text, width) in cells {
        table.push_str(text);
        let written = text.chars().count();
        table.extend(std::iter::repeat_n(
            ' ',
            (width + 1).saturating_sub(written),
        ));
    }
    table.truncate(table.trim_end().len());
    table.push('\n');
}
