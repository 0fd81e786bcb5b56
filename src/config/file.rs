//! The TOML settings file. Its keys are the names of the flags.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use serde::Deserialize;

use super::StartupError;
use super::tokens::OtherIssuer;
use crate::http::suggestion::closest;

/// A parsed settings file.
pub struct SettingsFile {
    path: PathBuf,
    values: Vec<Setting>,
    pub issuers: Vec<OtherIssuer>,
}

/// The tables of further issuers, and where each begins.
#[derive(Deserialize)]
struct Issuers {
    #[serde(default)]
    issuer: Vec<Spanned<OtherIssuer>>,
}

struct Setting {
    /// Name of the flag.
    name: String,
    value: String,
    line: usize,
}

impl SettingsFile {
    /// Parses the file. `known` are the names of all settings of the command.
    ///
    /// # Errors
    /// Returns one line with the file, the line number and the error. It quotes no value, which may be a secret.
    pub fn parse(path: &Path, text: &str, known: &[String]) -> Result<Self, StartupError> {
        let wrong = |what: &str| StartupError::new(format!("--config {}: {what}", path.display()));
        let line = |span: Range<usize>| text[..span.start.min(text.len())].split('\n').count();
        let at = |error: &toml::de::Error| {
            let line = error.span().map(line).unwrap_or_default();
            format!("line {line}: ")
        };
        let mut table: BTreeMap<String, Spanned<toml::Value>> = toml::from_str(text)
            .map_err(|error| wrong(&format!("{}{}", at(&error), error.message().trim())))?;
        table.remove("issuer");
        let issuers: Issuers = toml::from_str(text)
            .map_err(|error| wrong(&format!("{}[[issuer]]: {}", at(&error), error.message())))?;
        let issuers = issuers.issuer.into_iter().map(|issuer| {
            let source = format!("{}, line {}", path.display(), line(issuer.span()));
            issuer.into_inner().at(source)
        });
        let mut values = Vec::new();
        for (name, value) in table {
            let line = line(value.span());
            if !known.contains(&name) {
                let known = known.iter().map(String::as_str);
                let hint = closest(&name, known)
                    .map(|meant| format!(": did you mean `{meant}`?"))
                    .unwrap_or_default();
                let what = format!("line {line}: there is no setting `{name}`{hint}");
                return Err(wrong(&what));
            }
            let value = plain(value.get_ref());
            values.push(Setting { name, value, line });
        }
        Ok(Self {
            path: path.to_owned(),
            values,
            issuers: issuers.collect(),
        })
    }

    /// Makes the values of the file the defaults of the subcommand. It has not all settings that the file may hold.
    pub fn set_defaults(&self, mut command: clap::Command, subcommand: &str) -> clap::Command {
        for Setting { name, value, .. } in &self.values {
            let id = name.replace('-', "_");
            let value = value.clone();
            if command
                .get_arguments()
                .any(|argument| *argument.get_id() == id)
            {
                command = command.mut_arg(id, |argument| argument.default_value(value));
                continue;
            }
            command = command.mut_subcommand(subcommand, |subcommand| {
                if subcommand
                    .get_arguments()
                    .any(|argument| *argument.get_id() == id)
                {
                    subcommand.mut_arg(id, |argument| argument.default_value(value))
                } else {
                    subcommand
                }
            });
        }
        command
    }

    /// Returns where the file sets a flag, for error messages; `None` if it does not.
    pub fn source(&self, flag: &str) -> Option<String> {
        let setting = self.values.iter().find(|setting| setting.name == flag)?;
        Some(format!("{}, line {}", self.path.display(), setting.line))
    }
}

/// Formats a TOML value as a command line argument.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            items.join(",")
        }
        toml::Value::Table(entries) => {
            let mut text = String::new();
            for (word, value) in entries {
                let comma = if text.is_empty() { "" } else { "," };
                // Writing into a String cannot fail.
                let _ = write!(text, "{comma}{word}={}", plain(value));
            }
            text
        }
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Datetime(moment) => moment.to_string(),
    }
}
