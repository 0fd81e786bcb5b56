//! Reads the records that are searched, with a constant number of statements.

use std::collections::{BTreeMap, HashMap};

use entity::party::{Language, Side};
use entity::translation::{self, TranslatableField};
use entity::word::{all, enum_name};
use entity::{action_item, committee, liaison_statement, note, organization, publication, topic};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{
    Expr, ExprTrait, IntoIden, IntoTableRef, JoinType, Order, SelectStatement,
};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::domain::topic::OPEN;
use crate::search::document::{Document, OverlapFacts, SearchType, Text};
use crate::store::Database;

/// The records that are read, by type; `None` is all.
pub type SelectedIds = Option<BTreeMap<SearchType, Vec<Uuid>>>;

/// Reads records with their translations. Retracted notes are left out.
pub async fn read(db: &Database, selected_ids: &SelectedIds) -> Result<Vec<Document>, DbErr> {
    let mut translations = translations(db, selected_ids).await?;
    let mut links = Links::read(db, selected_ids).await?;
    let mut documents = Vec::new();
    for ty in SearchType::ALL {
        let source = Source::of(ty);
        let mut select = source.select.clone();
        if let Some(selected_ids) = selected_ids {
            let Some(ids) = selected_ids.get(&ty) else {
                continue;
            };
            select.and_where(of("id").is_in(ids.iter().copied()));
        }
        for row in db.query(db.orm_read.query_all(&select)).await? {
            documents.push(source.document(&row, &mut translations, &mut links)?);
        }
    }
    Ok(documents)
}

/// Where the records of a type are read.
struct Source {
    ty: SearchType,
    /// Selects the id, the original language, the side or party, and the texts.
    select: SelectStatement,
    fields: &'static [SourceField],
}

/// A field with a text, its column, and the field of its translations if it can be translated.
type SourceField = (&'static str, &'static str, Option<TranslatableField>);

const ROW: &str = "t";
/// Alias of a committee's organization, and the column that has its acronym.
const ORGANIZATION: &str = "organization";

fn of(column: impl IntoIden) -> Expr {
    Expr::col((ROW, column))
}

impl Source {
    fn of(ty: SearchType) -> Self {
        use TranslatableField::{Description, Mandate, Name, Summary, Title};
        match ty {
            SearchType::Organization => Self::new(
                ty,
                organization::Entity,
                "side",
                &[("acronym", "acronym", None), ("name", "name", Some(Name))],
            ),
            SearchType::Committee => {
                let mut committees = Self::new(
                    ty,
                    committee::Entity,
                    "side",
                    &[
                        ("code", "code", None),
                        ("period", "period", None),
                        ("name", "name", Some(Name)),
                        ("mandate", "mandate", Some(Mandate)),
                        ("organization", ORGANIZATION, None),
                    ],
                );
                let on = Expr::col((ORGANIZATION, "id")).equals((ROW, "organization_id"));
                let organization = organization::Entity;
                committees
                    .select
                    .join_as(JoinType::InnerJoin, organization, ORGANIZATION, on);
                committees
            }
            SearchType::Topic => {
                let mut topics = Self::new(
                    ty,
                    topic::Entity,
                    "proposed_by",
                    &[
                        ("code", "number", None),
                        ("title", "title", Some(Title)),
                        ("summary", "summary", Some(Summary)),
                    ],
                );
                topics.select.expr(of("status").is_in(OPEN));
                topics
            }
            SearchType::ActionItem => Self::new(
                ty,
                action_item::Entity,
                "side",
                &[
                    ("code", "number", None),
                    ("externalKey", "external_key", None),
                    ("title", "title", Some(Title)),
                    ("description", "description", Some(Description)),
                ],
            ),
            SearchType::Publication => Self::new(
                ty,
                publication::Entity,
                "side",
                &[("number", "number", None), ("title", "title", Some(Title))],
            ),
            SearchType::LiaisonStatement => Self::new(
                ty,
                liaison_statement::Entity,
                "side",
                &[
                    ("code", "number", None),
                    ("title", "title", None),
                    ("body", "body", None),
                ],
            ),
            SearchType::Note => {
                let mut notes = Self::new(ty, note::Entity, "party", &[("body", "body", None)]);
                notes.select.and_where(of("retracted").eq(false));
                notes
            }
        }
    }

    fn new(
        ty: SearchType,
        table: impl IntoTableRef,
        side: &'static str,
        fields: &'static [SourceField],
    ) -> Self {
        let mut select = SelectStatement::new();
        select.from(table.into_table_ref().alias(ROW));
        select.expr(of("id")).expr(match ty {
            SearchType::LiaisonStatement | SearchType::Note => Expr::cust("null"),
            _ => of("original_language"),
        });
        select.expr(of(side));
        for (_, column, _) in fields {
            select.expr(match *column {
                ORGANIZATION => Expr::col((ORGANIZATION, "acronym")),
                // Numbers are integers in some tables.
                column => of(column).cast_as("text"),
            });
        }
        Self { ty, select, fields }
    }

    /// What precedes the number in the code of a record.
    const fn code_prefix(&self) -> &'static str {
        match self.ty {
            SearchType::Topic => "T-",
            SearchType::ActionItem => "A-",
            SearchType::LiaisonStatement => "LS-",
            _ => "",
        }
    }

    fn document(
        &self,
        row: &QueryResult,
        translations: &mut Translations,
        links: &mut Links,
    ) -> Result<Document, DbErr> {
        let id = row.try_get_by_index(0)?;
        let language: Option<String> = row.try_get_by_index(1)?;
        let original = language.and_then(|name| language_named(&name));
        let side: Option<String> = row.try_get_by_index(2)?;
        let sides = [Side::Itu, Side::Upu].into_iter().filter(|side_of| {
            // A topic is of both sides.
            self.ty == SearchType::Topic || side.as_deref() == Some(&enum_name(*side_of))
        });
        let mut translated = translations.remove(&id).unwrap_or_default();
        let mut texts = Vec::new();
        for (index, (field, _, translatable)) in self.fields.iter().enumerate() {
            let text: Option<String> = row.try_get_by_index(index + 3)?;
            // The translation of a text that was removed is not shown.
            let Some(text) = text else {
                continue;
            };
            let prefix = if *field == "code" {
                self.code_prefix()
            } else {
                ""
            };
            let text = format!("{prefix}{text}");
            let language = original.unwrap_or_else(|| language_of_script(&text));
            texts.push(Text {
                field,
                language,
                content: text,
            });
            let of_field = translatable.and_then(|field| translated.remove(&field));
            for (language, text) in of_field.into_iter().flatten() {
                texts.push(Text {
                    field,
                    language,
                    content: text,
                });
            }
        }
        let is_compared = match self.ty {
            SearchType::Publication => true,
            SearchType::Topic => row.try_get_by_index(self.fields.len() + 3)?,
            _ => false,
        };
        let named = |of: &Side| side.as_deref() == Some(&enum_name(*of));
        let of_side = [Side::Itu, Side::Upu].into_iter().find(named);
        Ok(Document {
            ty: self.ty,
            id,
            sides: sides.collect(),
            texts,
            overlap: OverlapFacts {
                side: of_side.filter(|_| is_compared),
                linked: links.linked.remove(&id).unwrap_or_default(),
                publications: links.publications.remove(&id).unwrap_or_default(),
            },
        })
    }
}

/// What publications and topics are linked to, by record.
struct Links {
    /// The records that are related to it, or were dismissed as its overlaps.
    linked: HashMap<Uuid, Vec<Uuid>>,
    /// The publications of topics.
    publications: HashMap<Uuid, Vec<Uuid>>,
}

impl Links {
    async fn read(db: &Database, selected_ids: &SelectedIds) -> Result<Self, DbErr> {
        let ids = selected_ids.as_ref().map(|selected_ids| {
            let of = |ty| selected_ids.get(&ty).into_iter().flatten().copied();
            let ids = of(SearchType::Topic).chain(of(SearchType::Publication));
            ids.collect::<Vec<Uuid>>()
        });
        let links = async |table, from, to| links(db, ids.as_deref(), table, from, to).await;
        let mut linked = links("publication_relation", "publication_id", "related_id").await?;
        for (from, to) in [("itu_id", "upu_id"), ("upu_id", "itu_id")] {
            for (one, others) in links("overlap_dismissal", from, to).await? {
                linked.entry(one).or_default().extend(others);
            }
        }
        Ok(Self {
            linked,
            publications: links("topic_publication", "topic_id", "publication_id").await?,
        })
    }
}

/// Reads what records are linked to by a table; `None` is all records.
async fn links(
    db: &Database,
    ids: Option<&[Uuid]>,
    table: &'static str,
    from: &'static str,
    to: &'static str,
) -> Result<HashMap<Uuid, Vec<Uuid>>, DbErr> {
    let mut links: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    if ids.is_some_and(<[Uuid]>::is_empty) {
        return Ok(links);
    }
    let mut select = SelectStatement::new();
    select.from(table).columns([from, to]);
    if let Some(ids) = ids {
        select.and_where(Expr::col(from).is_in(ids.iter().copied()));
    }
    for row in db.query(db.orm_read.query_all(&select)).await? {
        let to = row.try_get_by_index(1)?;
        links.entry(row.try_get_by_index(0)?).or_default().push(to);
    }
    Ok(links)
}

fn language_named(name: &str) -> Option<Language> {
    all::<Language>().find(|language| enum_name(*language) == name)
}

/// The language of a text that has none in the register, as those of liaison statements and notes: what its first
/// letter suggests.
fn language_of_script(text: &str) -> Language {
    match text.chars().find(|character| character.is_alphabetic()) {
        Some('\u{400}'..='\u{52f}') => Language::Ru,
        Some('\u{600}'..='\u{8ff}') => Language::Ar,
        Some('\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}') => {
            Language::Zh
        }
        _ => Language::En,
    }
}

/// The translations of each record by field, in the order of the languages.
type Translations = HashMap<Uuid, BTreeMap<TranslatableField, BTreeMap<Language, String>>>;

async fn translations(db: &Database, selected_ids: &SelectedIds) -> Result<Translations, DbErr> {
    use translation::Column;
    let mut select = SelectStatement::new()
        .columns([
            Column::SubjectId,
            Column::Field,
            Column::Language,
            Column::Text,
        ])
        .from(translation::Entity)
        .order_by(Column::SubjectId, Order::Asc)
        .take();
    if let Some(selected_ids) = selected_ids {
        let ids = selected_ids.values().flatten().copied();
        select.and_where(Expr::col(Column::SubjectId).is_in(ids));
    }
    let mut translations = Translations::new();
    for row in db.query(db.orm_read.query_all(&select)).await? {
        let record = translations.entry(row.try_get_by_index(0)?).or_default();
        let texts = record.entry(row.try_get_by_index(1)?).or_default();
        texts.insert(row.try_get_by_index(2)?, row.try_get_by_index(3)?);
    }
    Ok(translations)
}
