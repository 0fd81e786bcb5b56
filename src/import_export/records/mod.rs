//! Imports records, each according to the rules of the corresponding mutation.

mod action_item;
mod committee;
mod examination;
mod finding;
mod note;
mod organization;
mod publication;
mod statement;
mod topic;
mod translation;

use std::io::Write;

use async_graphql::ID;
use chrono::{DateTime, Utc};
use entity::id::Id;
use entity::party::{Party, Role};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};

use crate::domain::rejection::Code;
use crate::domain::viewer::Viewer;
use crate::error::{Error, Result};
use crate::import_export::dry_run::Rehearsal;
use crate::import_export::fields::RecordFields;
use crate::import_export::names::Names;
use crate::import_export::order::{ImportOrder, PendingRecord, Record, RecordKey};
use crate::import_export::progress::{ImportOutcome, ImportReport, Progress};
use crate::import_export::records::publication::Publications;
pub use crate::import_export::records::statement::ADDRESSEES;
pub use crate::import_export::records::translation::TRANSLATED;
use crate::import_export::restore::restore;
use crate::import_export::source::{Format, ImportLine, ImportSource, Records};
use crate::import_export::{BATCH, ImportError};
use crate::store::Database;
use crate::store::idempotency::CreateInput;
use crate::store::migrations::migrate_within;
use crate::store::transaction::WriteTransaction;

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordType {
    Organization,
    Committee,
    Topic,
    Publication,
    ActionItem,
    Examination,
    Finding,
    LiaisonStatement,
    Note,
    Translation,
}

/// The options of an import.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// The party that imports the records. An export needs none.
    pub party: Option<Party>,
    /// The actor that the history shows.
    pub subject: String,
    /// The type of records without a field `type`.
    pub kind: Option<RecordType>,
    pub format: Format,
    /// The name of the file in the report.
    pub file: String,
    /// Whether to validate without changing anything.
    pub dry_run: bool,
    /// Whether to import the valid records if others have errors.
    pub partial: bool,
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// A summary in one line.
    pub summary: String,
    /// Number of lines with errors.
    pub wrong: u64,
    /// Whether the import was committed.
    pub committed: bool,
}

impl RecordType {
    pub const ALL: [Self; 10] = [
        Self::Organization,
        Self::Committee,
        Self::Topic,
        Self::Publication,
        Self::ActionItem,
        Self::Examination,
        Self::Finding,
        Self::LiaisonStatement,
        Self::Note,
        Self::Translation,
    ];

    /// Returns the GraphQL name of the type.
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
            Self::Translation => "Translation",
        }
    }

    /// Returns the type with this name.
    ///
    /// # Errors
    /// Returns an error that lists all names.
    pub fn of(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("Must be one of {names}.")
        })
    }
}

/// Imports a file: an export into an empty database, or records into any, each created or updated by its key. Errors
/// are written to `out` line by line. If there are errors, nothing is imported unless `partial` is set.
///
/// # Errors
/// Returns an error if the file cannot be read to its end, the report cannot be written, or the database fails. Nothing
/// is imported then, unless the connection is lost while the import is stored.
pub async fn import(
    db: &Database,
    now: DateTime<Utc>,
    source: ImportSource,
    settings: &ImportSettings,
    out: impl Write,
) -> Result<Imported, ImportError> {
    if source.is_export {
        let progress = Progress::new(source.length);
        return import_atomically(db, source, settings, &progress).await;
    }
    let Some(party) = settings.party else {
        let what = "the file holds records: name the party that enters them with --party";
        return Err(ImportError::Line(1, what.to_owned()));
    };
    let actor = viewer(party, &settings.subject)
        .actor()
        .map_err(Error::from)?;
    // Rejects a file that cannot be read to its end before anything is written.
    let file = ImportFile::read(&source, settings)?;
    let report = || ImportReport::new(settings.file.clone(), Progress::new(source.length));
    let is_committed = |report: &ImportReport| report.wrong == 0 || settings.partial;
    if settings.dry_run || file.is_long() {
        let mut rehearsal = report();
        let trial = Rehearsal::begin(db, actor.clone(), now).await?;
        let started_at = trial.started_at;
        let writing = Box::pin(file.enter(trial.writing, &mut rehearsal));
        let writing = db.watched(trial.session, writing).await?;
        db.bounded(writing.rollback()).await?;
        if settings.dry_run || !is_committed(&rehearsal) {
            rehearsal.write(out)?;
            return Ok(rehearsal.imported(false));
        }
        tracing::info!(
            "storing {} records: other writers wait for about {} s",
            file.records,
            started_at.elapsed().as_secs() + 1
        );
    }
    let mut report = report();
    let (writing, session) = WriteTransaction::begin_long(db, actor, now).await?;
    let writing = Box::pin(file.enter(writing, &mut report));
    let writing = db.watched(session, writing).await?;
    let committed = is_committed(&report);
    // Nothing is stored if the report cannot be written.
    report.write(out)?;
    if committed {
        let committed = db.watched(session, writing.commit()).await;
        committed.map_err(Error::or_unknown_outcome)?;
    } else {
        db.bounded(writing.rollback()).await?;
    }
    Ok(report.imported(committed))
}

/// A file of records that has been read once to its end.
struct ImportFile<'a> {
    source: &'a ImportSource,
    settings: &'a ImportSettings,
    announced: PendingRecord,
    records: usize,
}

impl<'a> ImportFile<'a> {
    fn read(source: &'a ImportSource, settings: &'a ImportSettings) -> Result<Self, ImportError> {
        let mut announced = PendingRecord::default();
        let mut lines = source.records(settings.format)?;
        let mut records = 0;
        while let Some(line) = lines.next()? {
            records += 1;
            if let Ok(record) = record(line, settings.kind) {
                announced.add(&record);
            }
        }
        if records == 0 && settings.format == Format::JsonLines {
            return Err(ImportError::Line(
                1,
                "there is nothing in the file".to_owned(),
            ));
        }
        Ok(Self {
            source,
            settings,
            announced,
            records,
        })
    }

    /// Returns whether importing it would block other writers noticeably.
    fn is_long(&self) -> bool {
        BATCH < self.records
    }

    /// Imports all records as part of a write transaction, which it neither commits nor rolls back.
    async fn enter(
        &self,
        writing: WriteTransaction,
        report: &mut ImportReport,
    ) -> Result<WriteTransaction, ImportError> {
        if writing.db().get_database_backend() == DbBackend::Postgres {
            // PostgreSQL caches plans made while the tables are small. They would scan the whole table in each
            // statement and for each foreign key once the tables are large.
            let seek = "set local enable_seqscan = off; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0";
            writing.db().execute_unprepared(seek).await?;
        }
        let mut entering = Importer {
            names: Names::of(writing.db()).await?,
            writing,
        };
        let records = self.source.records(self.settings.format)?;
        let order = ImportOrder::new(self.announced.clone());
        entering
            .all(records, order, self.settings.kind, report)
            .await?;
        report.progress.end();
        Ok(entering.writing)
    }
}

/// Restores an export.
async fn import_atomically(
    db: &Database,
    mut source: ImportSource,
    settings: &ImportSettings,
    progress: &Progress,
) -> Result<Imported, ImportError> {
    let mut restored = Ok(0);
    let done = db
        .in_transaction(async |_: &Database, transaction: &DatabaseTransaction| {
            if settings.dry_run {
                // The tables are not changed by a trial: it may need those that are missing.
                migrate_within(transaction).await?;
            }
            restored = restore(transaction, &mut source, progress).await;
            // An error makes the transaction roll back.
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
        committed: !settings.dry_run,
    })
}

/// Returns a viewer who acts for a party.
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

/// An import in progress, with the names of existing records.
struct Importer {
    writing: WriteTransaction,
    names: Names,
}

impl Importer {
    async fn all(
        &mut self,
        mut records: Records,
        mut order: ImportOrder,
        kind: Option<RecordType>,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        let mut publications = Publications::default();
        loop {
            let record = match order.next_ready() {
                Some(record) => record,
                None => match records.next()? {
                    Some(line) => {
                        report.progress.at(records.position());
                        report.lines += 1;
                        let number = line.number;
                        match record(line, kind) {
                            Ok(record) => {
                                order.read(&record);
                                record
                            }
                            Err(fields) => {
                                report.add(number, *fields);
                                continue;
                            }
                        }
                    }
                    None if !publications.are_none() => {
                        self.enter(&mut publications, &mut order, report).await?;
                        continue;
                    }
                    None if order.break_cycle() => continue,
                    None => return Ok(()),
                },
            };
            // Records that are not deferred are imported in the order of their lines.
            let about_same =
                |key: &RecordKey| record.key.as_ref() == Some(key) && publications.have(key);
            if record.kind != RecordType::Publication
                || order.blocks(&record).is_some_and(about_same)
                || publications.are_many()
            {
                self.enter(&mut publications, &mut order, report).await?;
            }
            if let Some(key) = order.blocks(&record).cloned() {
                order.defer(key, record);
                publications.held_back += 1;
            } else if record.kind == RecordType::Publication {
                publications.add(record, &self.names);
            } else {
                self.one(record, &mut order, report).await?;
            }
        }
    }

    /// Imports a record of any type but publication.
    async fn one(
        &mut self,
        record: Record,
        order: &mut ImportOrder,
        report: &mut ImportReport,
    ) -> Result<(), ImportError> {
        let kind = record.kind;
        let mut fields = record.fields;
        let done = match kind {
            RecordType::Organization => self.organization(&mut fields).await?,
            RecordType::Committee => self.committee(&mut fields).await?,
            RecordType::Topic => self.topic(&mut fields).await?,
            RecordType::ActionItem => self.action_item(&mut fields).await?,
            RecordType::Examination => self.examination(&mut fields).await?,
            RecordType::Finding => self.finding(&mut fields).await?,
            RecordType::LiaisonStatement => self.statement(&mut fields).await?,
            RecordType::Note => self.note(&mut fields).await?,
            RecordType::Translation => self.translation(&mut fields).await?,
            RecordType::Publication => None,
        };
        order.mark_imported(record.number, record.key.as_ref());
        match done {
            Some(done) => report.count(kind.name(), done),
            None => report.add(record.number, fields),
        }
        Ok(())
    }

    /// Creates a record and returns its id.
    async fn create<I: CreateInput>(
        &mut self,
        fields: &mut RecordFields,
        input: I,
    ) -> Result<Option<I::Id>, ImportError> {
        let make = async |writing: &mut _| input.make(writing).await;
        fields.apply(&mut self.writing, make).await
    }

    /// Applies an update and returns whether it changed anything.
    async fn update(
        &mut self,
        fields: &mut RecordFields,
        work: impl AsyncFnOnce(&mut WriteTransaction) -> Result<()>,
    ) -> Result<Option<ImportOutcome>, ImportError> {
        let before = self.writing.logged();
        let done = fields.apply(&mut self.writing, work).await?;
        Ok(done.map(|()| {
            if self.writing.logged() == before {
                ImportOutcome::Unchanged
            } else {
                ImportOutcome::Updated
            }
        }))
    }
}

/// Parses the record of a line. Returns its errors if it has no type.
fn record(line: ImportLine, kind: Option<RecordType>) -> Result<Record, Box<RecordFields>> {
    const FIELD: &str = "type";
    let mut fields = match line.fields {
        Ok(fields) => RecordFields::new(fields),
        Err(message) => {
            let mut fields = RecordFields::new(serde_json::Map::new());
            fields.add_record_error(message);
            return Err(Box::new(fields));
        }
    };
    let named = fields.value::<String>(FIELD).take();
    let found = match (named, kind) {
        (Some(name), _) => RecordType::of(&name),
        (None, Some(kind)) => Ok(kind),
        (None, None) => Err("Say what the record is, or name it for all with --type.".to_owned()),
    };
    match found {
        Ok(kind) => Ok(Record::new(line.number, kind, fields)),
        Err(message) => {
            fields.add_error(Code::Invalid, FIELD, message);
            Err(Box::new(fields))
        }
    }
}

fn public(id: impl Id) -> ID {
    ID(id.to_global_id())
}
