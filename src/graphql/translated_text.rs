//! Texts of records in the requested languages.

use std::sync::Arc;

use async_graphql::OutputType;
use entity::party::Language;
use entity::translation::{Column, Entity, TranslatableField};
use entity::word::all;
use sea_orm::DbBackend;
use sea_orm::sea_query::{
    BinOper, CaseStatement, DynIden, Expr, ExprTrait, Func, IntoIden, SelectStatement,
};

use super::list;
use crate::domain::collation::script_rank;
use crate::domain::text::PART_END;
use crate::error::Result;
use crate::planner::ExecutionContext;
use crate::planner::json::Scalar;
use crate::planner::schema::{
    BuildExpr, ColumnExpr, Field, FieldSource, ROW, SortKey, distinct, field,
};

/// A text that can be translated.
#[derive(Clone, Copy, Debug)]
pub struct TranslatedText {
    pub field: TranslatableField,
    /// The column of the original.
    pub column: &'static str,
    /// Its position among the parts of the search text `folded`, after the part that identifies the record.
    pub part: i32,
    /// Whether a record can be without the text.
    pub nullable: bool,
}

/// What is read of a text or of its translation.
#[derive(Clone, Copy, Debug)]
enum Aspect {
    Text,
    Language,
    SortKey,
    SearchText(DbBackend),
}

/// Returns the field with a text in the requested language, or the one that it falls back to.
pub fn translated<T: OutputType>(
    name: &'static str,
    description: &'static str,
    text: &'static TranslatedText,
) -> Field {
    let source = FieldSource::Selected {
        cell: Box::new(move |args, env| {
            let languages = languages(args.get("language")?, env);
            Ok(text.cell(Aspect::Text, languages))
        }),
        scalar: Scalar::String,
        register: T::create_type_info,
    };
    field(name, description, source).arg::<Option<Language>>(
        "language",
        "The language to return the text in. If there is no translation into it, the languages of `@inContext` are tried in order; if none has one, the original text is returned. Default: the languages of `@inContext`.",
    )
}

/// Returns the field with the language of a text, for the same argument.
pub fn language_of<T: OutputType>(
    name: &'static str,
    description: &'static str,
    text: &'static TranslatedText,
) -> Field {
    let source = FieldSource::Selected {
        cell: Box::new(move |args, env| {
            let languages = languages(args.get("language")?, env);
            Ok(text.cell(Aspect::Language, languages))
        }),
        scalar: Scalar::Enum,
        register: T::create_type_info,
    };
    field(name, description, source).arg::<Option<Language>>(
        "language",
        "Pass the same value as for the `language` argument of the text. With a different value the result is not the language of the text that you got. Default: the languages of `@inContext`.",
    )
}

/// Returns the languages that a text is looked for in, before the original.
fn languages(requested: Option<Language>, env: &ExecutionContext<'_>) -> Vec<Language> {
    distinct(
        requested
            .into_iter()
            .chain(env.languages.iter().copied())
            .collect(),
    )
}

/// Returns the condition that one of a record's texts contains `text`, as they are shown in the context, or what
/// identifies the record; `None` for a blank text.
///
/// # Errors
/// Returns a bad-input error like [`list::text_matches`].
pub fn shown_text_matches(
    text: Option<&String>,
    texts: &[&TranslatedText],
    env: &ExecutionContext<'_>,
) -> Result<Option<Expr>> {
    if env.languages.is_empty() {
        return list::text_matches(text, env);
    }
    let Some(needle) = list::needle(text)? else {
        return Ok(None);
    };
    let row = ROW.into_iden();
    let shown = texts.iter().map(|text| {
        let aspect = Aspect::SearchText(env.backend());
        text.shown(&row, aspect, env.languages)
    });
    let parts = [part(&row, 0, env.backend())].into_iter().chain(shown);
    Ok(parts
        .map(|part| list::contains(part, &needle, env.backend()))
        .reduce(ExprTrait::or))
}

impl TranslatedText {
    /// Returns the key by which lists are sorted by the text that is shown in the context.
    pub fn sort_key(&self, env: &ExecutionContext<'_>) -> SortKey {
        if env.languages.is_empty() {
            return SortKey::Column(self.key());
        }
        let (name, build) = self.built(Aspect::SortKey, env.languages.to_vec());
        SortKey::Built(name, build)
    }

    fn cell(&self, aspect: Aspect, languages: Vec<Language>) -> ColumnExpr {
        if languages.is_empty() {
            match aspect {
                Aspect::Text => return ColumnExpr::column(self.column),
                Aspect::Language if !self.nullable => {
                    return ColumnExpr::column("original_language");
                }
                _ => {}
            }
        }
        let (name, build) = self.built(aspect, languages);
        ColumnExpr::Built(name, build)
    }

    fn built(&self, aspect: Aspect, languages: Vec<Language>) -> (String, Arc<BuildExpr>) {
        let name = format!("{} {aspect:?} {languages:?}", self.column);
        let text = *self;
        (
            name,
            Arc::new(move |row| text.shown(row, aspect, &languages)),
        )
    }

    /// Returns the first translation into one of the languages, or the original if there is none, or if a language is
    /// the original's. There is no translation into the original language.
    fn shown(&self, row: &DynIden, aspect: Aspect, languages: &[Language]) -> Expr {
        let of = |column: &'static str| Expr::col((row.clone(), column));
        let (original, column) = match aspect {
            Aspect::Text => (of(self.column), Column::Text),
            Aspect::Language => (of("original_language"), Column::Language),
            Aspect::SortKey => (Expr::col((row.clone(), self.key())), Column::TextKey),
            Aspect::SearchText(backend) => (part(row, self.part, backend), Column::Folded),
        };
        // Keys begin with the rank of their script; that of the first language comes before all others.
        let first = languages.first().map(|language| script_rank(*language));
        let leads = |language: &Language| first == Some(script_rank(*language));
        let in_order = |key: Expr, language: &Language| match aspect {
            Aspect::SortKey if leads(language) => first_of_all(key),
            _ => key,
        };
        let choices = languages.iter().map(|language| {
            let translation = SelectStatement::new()
                .expr(in_order(Expr::col(("x", column)), language))
                .from_as(Entity, "x")
                .and_where(Expr::col(("x", Column::SubjectId)).equals((row.clone(), "id")))
                .and_where(Expr::col(("x", Column::Field)).eq(self.field))
                .and_where(Expr::col(("x", Column::Language)).eq(*language))
                .take();
            CaseStatement::new()
                .case(
                    of("original_language").eq(*language),
                    in_order(original.clone(), language),
                )
                .finally(Expr::SubQuery(None, Box::new(translation.into())))
                .into()
        });
        let mut choices: Vec<Expr> = choices.collect();
        let otherwise = match aspect {
            Aspect::SortKey if first.is_some() => {
                let leading = all::<Language>().filter(leads);
                CaseStatement::new()
                    .case(
                        of("original_language").is_in(leading),
                        first_of_all(original.clone()),
                    )
                    .finally(original)
                    .into()
            }
            _ => original,
        };
        choices.push(otherwise.clone());
        let mut shown = match choices.pop() {
            Some(only) if choices.is_empty() => only,
            last => Func::coalesce(choices.into_iter().chain(last)).into(),
        };
        if let [best, _, ..] = languages {
            // Most texts have no translation: one seek finds that out, instead of one for each language.
            let translation = SelectStatement::new()
                .expr(Expr::val(1))
                .from_as(Entity, "x")
                .and_where(Expr::col(("x", Column::SubjectId)).equals((row.clone(), "id")))
                .and_where(Expr::col(("x", Column::Field)).eq(self.field))
                .take();
            let is_original = of("original_language")
                .eq(*best)
                .or(Expr::exists(translation).not());
            shown = CaseStatement::new()
                .case(is_original, otherwise)
                .finally(shown)
                .into();
        }
        if self.nullable {
            // The translation of a text that was removed is not shown.
            let present = of(self.column).is_not_null();
            return CaseStatement::new().case(present, shown).into();
        }
        shown
    }

    /// Returns the column with the sort key of the original.
    fn key(&self) -> DynIden {
        format!("{}_key", self.column).into_iden()
    }
}

/// Returns a sort key that comes before those of other scripts.
fn first_of_all(key: Expr) -> Expr {
    Expr::val("0").binary(BinOper::Custom("||"), key)
}

/// Returns a part of the search text of a row.
fn part(row: &DynIden, number: i32, backend: DbBackend) -> Expr {
    let folded = Expr::col((row.clone(), "folded"));
    let end = PART_END.to_string();
    if backend == DbBackend::Postgres {
        return Func::cust("split_part")
            .arg(folded)
            .arg(end)
            .arg(number + 1)
            .into();
    }
    // SQLite has no function that splits.
    let position = |text: &Expr| Expr::from(Func::cust("instr").arg(text.clone()).arg(end.clone()));
    let mut rest = folded;
    for _ in 0..number {
        rest = Func::cust("substr")
            .arg(rest.clone())
            .arg(position(&rest).add(1))
            .into();
    }
    Func::cust("substr")
        .arg(rest.clone())
        .arg(1)
        .arg(position(&rest).sub(1))
        .into()
}
