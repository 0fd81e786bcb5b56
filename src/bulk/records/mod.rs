//! Records that are entered or updated many at once, by the rules of the mutations.

mod action_item;
mod committee;
mod examination;
mod finding;
mod note;
mod organization;
mod publication;
mod statement;
mod topic;

use std::io::Write;

use async_graphql::ID;
use chrono::{DateTime, Utc};
use entity::id::Id;
use entity::party::{Party, Role};
use sea_orm::DatabaseTransaction;

use self::publication::Publications;
use super::fields::Fields;
use super::names::Names;
use super::report::{Done, Progress, Report};
use super::restore::restore;
use super::source::{Format, Line, Records, Source};
use super::{AT_ONCE, Fault};
use crate::error::{Error, Result};
use crate::rules::refusal::Code;
use crate::rules::viewer::Viewer;
use crate::store::Database;
use crate::store::creation::Creating;
use crate::store::writing::Writing;

/// What a record can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Organization,
    Committee,
    Topic,
    Publication,
    ActionItem,
    Examination,
    Finding,
    LiaisonStatement,
    Note,
}

/// How records are to be imported.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who enters them, and whose rules hold; an export has its own.
    pub party: Option<Party>,
    /// Who the history says it was.
    pub subject: String,
    /// What the records are that do not say it themselves.
    pub kind: Option<Kind>,
    pub format: Format,
    /// What the report calls the file.
    pub file: String,
    /// Finds out what would be done, and does nothing.
    pub dry_run: bool,
    /// Keeps what is right of a file of which something is wrong.
    pub partial: bool,
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// In a line.
    pub summary: String,
    /// How many lines are wrong.
    pub wrong: u64,
    /// Whether anything was kept.
    pub kept: bool,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Organization,
        Self::Committee,
        Self::Topic,
        Self::Publication,
        Self::ActionItem,
        Self::Examination,
        Self::Finding,
        Self::LiaisonStatement,
        Self::Note,
    ];

    /// The API's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Organization => "Organization",
            Self::Committee => "Committee",
            Self::Topic => "Topic",
            Self::Publication => "Publication",
            Self::ActionItem => "ActionItem",
            Self::Examination => "Examination",
            Self::Finding => "Finding",
            Self::LiaisonStatement => "LiaisonStatement",
            Self::Note => "Note",
        }
    }

    /// The kind with this name.
    ///
    /// # Errors
    /// A sentence with all names.
    pub fn of(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("Must be one of {names}.")
        })
    }
}

/// Imports a file: an export into an empty register, or records into any, each line created or updated by the key that
/// people know it by. What is wrong is told to `out` line by line. Nothing is kept where anything is wrong, unless
/// `partial` says so.
///
/// # Errors
/// Where the file cannot be read to its end or the database fails. Nothing is kept then.
pub async fn import(
    db: &Database,
    now: DateTime<Utc>,
    mut source: Source,
    settings: &Settings,
    out: impl Write,
) -> Result<Imported, Fault> {
    let progress = Progress::new(source.length);
    if source.is_export()? {
        return whole(db, source, settings, &progress).await;
    }
    let Some(party) = settings.party else {
        let what = "the file holds records: name the party that enters them with --party";
        return Err(Fault::Line(1, what.to_owned()));
    };
    let actor = viewer(party, &settings.subject).actor();
    let writing = Writing::begin(db, actor.map_err(Error::from)?, now).await?;
    let mut entering = Entering {
        names: Names::of(writing.db()).await?,
        writing,
    };
    let mut report = Report::new(out, settings.file.clone(), progress);
    entering
        .all(source.records(settings.format)?, settings.kind, &mut report)
        .await?;
    report.progress.end();
    let kept = !settings.dry_run && (report.wrong == 0 || settings.partial);
    if kept {
        entering.writing.commit().await?;
    } else {
        entering.writing.undo().await?;
    }
    Ok(Imported {
        summary: report.summary(),
        wrong: report.wrong,
        kept,
    })
}

/// All of an export.
async fn whole(
    db: &Database,
    mut source: Source,
    settings: &Settings,
    progress: &Progress,
) -> Result<Imported, Fault> {
    let mut restored = Ok(0);
    let done = db
        .whole(async |_: &Database, transaction: &DatabaseTransaction| {
            restored = restore(transaction, &mut source, progress).await;
            // What is not to be kept is an error to the transaction.
            match &restored {
                Ok(_) if !settings.dry_run => Ok(()),
                _ => Err(Error::BadInput(String::new())),
            }
        })
        .await;
    progress.end();
    let rows = restored?;
    match done {
        Err(Error::BadInput(_)) if settings.dry_run => {}
        done => done?,
    }
    Ok(Imported {
        summary: format!("an export of {rows} rows"),
        wrong: 0,
        kept: !settings.dry_run,
    })
}

/// Someone who acts for a party.
fn viewer(party: Party, subject: &str) -> Viewer {
    let role = match party {
        Party::Itu => Role::ItuEditor,
        Party::Upu => Role::UpuEditor,
        Party::Tsb => Role::TsbEditor,
    };
    Viewer {
        subject: Some(subject.to_owned()),
        roles: vec![role],
        ..Viewer::default()
    }
}

/// What is being entered, and the names of what is there.
struct Entering {
    writing: Writing,
    names: Names,
}

impl Entering {
    async fn all<W: Write>(
        &mut self,
        mut records: Records,
        kind: Option<Kind>,
        report: &mut Report<W>,
    ) -> Result<(), Fault> {
        let mut publications = Publications::default();
        while let Some(line) = records.next()? {
            report.progress.at(records.position());
            report.lines += 1;
            let (number, kind, mut fields) = match kind_of(line, kind) {
                Ok(record) => record,
                Err((number, fields)) => {
                    self.enter(&mut publications, report).await?;
                    report.tell(number, &fields.into_problems())?;
                    continue;
                }
            };
            if kind == Kind::Publication {
                if publications.have(&fields) || publications.len() == AT_ONCE {
                    self.enter(&mut publications, report).await?;
                }
                publications.add(number, fields, &self.names);
                continue;
            }
            // In the order of the lines, as later ones may name what earlier ones enter.
            self.enter(&mut publications, report).await?;
            let done = match kind {
                Kind::Organization => self.organization(&mut fields).await?,
                Kind::Committee => self.committee(&mut fields).await?,
                Kind::Topic => self.topic(&mut fields).await?,
                Kind::ActionItem => self.action_item(&mut fields).await?,
                Kind::Examination => self.examination(&mut fields).await?,
                Kind::Finding => self.finding(&mut fields).await?,
                Kind::LiaisonStatement => self.statement(&mut fields).await?,
                Kind::Note => self.note(&mut fields).await?,
                Kind::Publication => None,
            };
            match done {
                Some(done) => report.count(kind.name(), done),
                None => report.tell(number, &fields.into_problems())?,
            }
        }
        self.enter(&mut publications, report).await
    }

    /// Makes a new record; its id.
    async fn create<I: Creating>(
        &mut self,
        fields: &mut Fields,
        input: I,
    ) -> Result<Option<I::Id>, Fault> {
        let make = async |writing: &mut _| input.make(writing).await;
        fields.carry_out(&mut self.writing, make).await
    }

    /// Does what an update asks for; whether that changed anything.
    async fn update(
        &mut self,
        fields: &mut Fields,
        work: impl AsyncFnOnce(&mut Writing) -> Result<()>,
    ) -> Result<Option<Done>, Fault> {
        let before = self.writing.logged();
        let done = fields.carry_out(&mut self.writing, work).await?;
        Ok(done.map(|()| {
            if self.writing.logged() == before {
                Done::Unchanged
            } else {
                Done::Updated
            }
        }))
    }
}

/// The fields of a line and what they are of.
fn kind_of(line: Line, kind: Option<Kind>) -> Result<(u64, Kind, Fields), (u64, Fields)> {
    const FIELD: &str = "type";
    let number = line.number;
    let mut fields = match line.fields {
        Ok(fields) => Fields::new(fields),
        Err(message) => {
            let mut fields = Fields::new(serde_json::Map::new());
            fields.whole(message);
            return Err((number, fields));
        }
    };
    let named = fields.value::<String>(FIELD).take();
    let found = match (named, kind) {
        (Some(name), _) => Kind::of(&name),
        (None, Some(kind)) => Ok(kind),
        (None, None) => Err("Say what the record is, or name it for all with --type.".to_owned()),
    };
    match found {
        Ok(kind) => Ok((number, kind, fields)),
        Err(message) => {
            fields.wrong(Code::Invalid, FIELD, message);
            Err((number, fields))
        }
    }
}

fn public(id: impl Id) -> ID {
    ID(id.public())
}
