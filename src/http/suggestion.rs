//! The name that a misspelt one probably means.

/// Longer names are not compared: the comparison takes time proportional to the product of the lengths, and a long name
/// is not a typo.
const MAX_LENGTH: usize = 100;

/// Returns the known name that is closest to a misspelt one; `None` if none is close.
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > MAX_LENGTH {
        return None;
    }
    let distances = known.into_iter().map(|name| {
        let lower = (wrong.to_ascii_lowercase(), name.to_ascii_lowercase());
        (strsim::damerau_levenshtein(&lower.0, &lower.1), name)
    });
    // The threshold of the reference implementation (graphql-js).
    let threshold = wrong.len() * 2 / 5 + 1;
    let (_, name) = distances.filter(|distance| distance.0 <= threshold).min()?;
    Some(name)
}
