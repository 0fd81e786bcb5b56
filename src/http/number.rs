//! Parses whole numbers within a range.

use std::ops::{Bound, RangeBounds};

/// Returns a parser of whole numbers within a range. What is beyond the type is out of range, too.
pub fn number<T: TryFrom<u64>>(
    range: impl RangeBounds<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
    move |text: &str| {
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number
            .and_then(|number: u64| T::try_from(number).ok())
            .ok_or_else(|| {
                let least = match bounds.0 {
                    Bound::Included(least) => least,
                    Bound::Excluded(_) | Bound::Unbounded => 0,
                };
                match bounds.1 {
                    Bound::Included(most) => format!("write a whole number from {least} to {most}"),
                    Bound::Excluded(_) | Bound::Unbounded => {
                        format!("write a whole number, {least} or more")
                    }
                }
            })
    }
}
