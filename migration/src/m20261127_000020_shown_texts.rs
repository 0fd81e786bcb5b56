//! Titles and names are sorted in the alphabetical order of their language, and each text of a record can be searched
//! by itself, so that a translation can stand in for it.

use icu_collator::options::CollatorOptions;
use icu_collator::preferences::CollationNumericOrdering;
use icu_collator::{CollatorBorrowed, CollatorPreferences};
use icu_locale_core::Locale;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::QueryResult;
use sea_orm_migration::sea_orm::prelude::Uuid;

use crate::m20261127_000017_list_orders::{fold, natural_key};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// A table with texts that can be translated.
struct Translatable {
    table: &'static str,
    /// What identifies a record, before its texts in the search text.
    identity: fn(&[String]) -> String,
    /// The columns that `identity` needs.
    identified_by: &'static [&'static str],
    /// The texts; the first one is sorted by.
    texts: &'static [&'static str],
}

const TABLES: [Translatable; 5] = [
    Translatable {
        table: "organization",
        identity: |acronym| acronym.concat(),
        identified_by: &["acronym"],
        texts: &["name"],
    },
    Translatable {
        table: "committee",
        identity: |code_and_period| code_and_period.join(" "),
        identified_by: &["code", "period"],
        texts: &["name", "mandate"],
    },
    Translatable {
        table: "topic",
        identity: |number| format!("T-{}", number.concat()),
        identified_by: &["number"],
        texts: &["title", "summary"],
    },
    Translatable {
        table: "action_item",
        identity: |number| format!("A-{}", number.concat()),
        identified_by: &["number"],
        texts: &["title", "description"],
    },
    Translatable {
        table: "publication",
        identity: |number| number.concat(),
        identified_by: &["number"],
        texts: &["title"],
    },
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let search_text = |parts: &[String]| {
            let parts = parts.iter().map(|part| fold(part) + "\u{1f}");
            parts.collect::<String>()
        };
        rewrite(manager, collation_key, search_text).await?;
        translations(manager, collation_key).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let search_text = |parts: &[String]| fold(&parts.join("\n"));
        rewrite(manager, |text, _| natural_key(text), search_text).await?;
        translations(manager, |text, _| natural_key(text)).await
    }
}

async fn rewrite(
    manager: &SchemaManager<'_>,
    key: impl Fn(&str, &str) -> String,
    search_text: impl Fn(&[String]) -> String,
) -> Result<(), DbErr> {
    let db = manager.get_connection();
    for Translatable {
        table,
        identity,
        identified_by,
        texts,
    } in TABLES
    {
        let mut query = Query::select();
        query.columns(["id", "original_language"]).from(table);
        let columns = identified_by.iter().chain(texts);
        for column in columns {
            // Numbers are integers in some tables.
            query.expr(Expr::col(*column).cast_as("text"));
        }
        for row in db.query_all(&query).await? {
            let id: Uuid = row.try_get_by_index(0)?;
            let language: String = row.try_get_by_index(1)?;
            let identified_by_texts = identified_by.len();
            let text = |row: &QueryResult, index: usize| -> Result<String, DbErr> {
                let text: Option<String> = row.try_get_by_index(index + 2)?;
                Ok(text.unwrap_or_default())
            };
            let values: Vec<String> = (0..identified_by_texts + texts.len())
                .map(|index| text(&row, index))
                .collect::<Result<_, _>>()?;
            let (identified_by, originals) = values.split_at(identified_by_texts);
            let mut parts = vec![identity(identified_by)];
            parts.extend_from_slice(originals);
            let update = Query::update()
                .table(table)
                .value(format!("{}_key", texts[0]), key(&originals[0], &language))
                .value("folded", search_text(&parts))
                .and_where(Expr::col("id").eq(id))
                .take();
            db.execute(&update).await?;
        }
    }
    Ok(())
}

async fn translations(
    manager: &SchemaManager<'_>,
    key: impl Fn(&str, &str) -> String,
) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let query = Query::select()
        .columns(["subject_id", "field", "language", "text"])
        .from("translation")
        .take();
    for row in db.query_all(&query).await? {
        let subject: Uuid = row.try_get_by_index(0)?;
        let field: String = row.try_get_by_index(1)?;
        let language: String = row.try_get_by_index(2)?;
        let text: String = row.try_get_by_index(3)?;
        let update = Query::update()
            .table("translation")
            .value("text_key", key(&text, &language))
            .and_where(Expr::col("subject_id").eq(subject))
            .and_where(Expr::col("field").eq(field))
            .and_where(Expr::col("language").eq(language))
            .take();
        db.execute(&update).await?;
    }
    Ok(())
}

// The service's function as it was when this migration was written.

fn collation_key(text: &str, language: &str) -> String {
    let locale = Locale::try_from_str(&language.to_lowercase()).unwrap_or(Locale::UNKNOWN);
    let mut preferences = CollatorPreferences::from(&locale);
    preferences.numeric_ordering = Some(CollationNumericOrdering::True);
    let mut key = Vec::new();
    if let Ok(collator) = CollatorBorrowed::try_new(preferences, CollatorOptions::default()) {
        let Ok(()) = collator.write_sort_key_to(text, &mut key);
    }
    key.truncate(300);
    let script = match language {
        "RU" => '2',
        "AR" => '3',
        "ZH" => '4',
        _ => '1',
    };
    let key = key.into_iter().map(char::from);
    std::iter::once(script).chain(key).collect()
}
