//! Writes connections.

use sea_orm::prelude::Uuid;

use super::{Source, Step, Writer, Written};
use crate::read::counts::{CountSlot, Counts};
use crate::read::cursor::Position;
use crate::read::load::Group;
use crate::read::page::{EdgeSlot, Info, PageSlot, PageTemplate};
use crate::read::plan::Rows;
use crate::rows::Row;

impl<'d> Writer<'d, '_> {
    /// Writes a connection.
    pub fn page(&mut self, from: Source<'_>, parent: Uuid, template: &PageTemplate<'d>) -> Written {
        let group = from.loaded.group(parent);
        let mut separator = '{';
        for (key, slot) in &template.entries {
            self.key(&mut separator, key);
            self.within(Step::Key(key), |it| match slot {
                PageSlot::Typename => {
                    it.json.word(template.list.connection);
                    Ok(())
                }
                PageSlot::Nodes(node) => it.records(from, group, node),
                PageSlot::Edges(edge) => {
                    it.each(from, group, |it, row| it.edge(from, row, template, edge))
                }
                PageSlot::Info(info) => it.info(from, group, template, info),
                PageSlot::TotalCount => {
                    it.json.number(from.loaded.total(parent));
                    Ok(())
                }
                PageSlot::Counts(count) => {
                    if let Some(by) = &template.list.counts {
                        it.counts(by, from.loaded.counts(parent), count);
                    }
                    Ok(())
                }
            })?;
        }
        self.close(separator);
        Ok(())
    }

    /// Writes how many records have each value, in the order of the values.
    fn counts(&mut self, by: &Counts, counted: &[(String, i64)], fields: &[(&'d str, CountSlot)]) {
        self.json.raw("[");
        for (place, value) in (by.values)().iter().enumerate() {
            if place > 0 {
                self.json.raw(",");
            }
            let mut separator = '{';
            for (key, field) in fields {
                self.key(&mut separator, key);
                match field {
                    CountSlot::Typename => self.json.word((by.object)().name),
                    CountSlot::Status => self.json.word(value),
                    CountSlot::Count => {
                        let count = counted.iter().find(|it| it.0 == *value);
                        self.json.number(count.map_or(0, |it| it.1));
                    }
                }
            }
            self.close(separator);
        }
        self.json.raw("]");
    }

    fn edge(
        &mut self,
        from: Source<'_>,
        row: Row<'_>,
        template: &PageTemplate<'d>,
        edge: &[(&'d str, EdgeSlot<'d>)],
    ) -> Written {
        let mut separator = '{';
        for (key, slot) in edge {
            self.key(&mut separator, key);
            self.within(Step::Key(key), |it| match slot {
                EdgeSlot::Typename => {
                    it.json.word(template.list.edge);
                    Ok(())
                }
                EdgeSlot::Cursor => it.cursor(row, template),
                EdgeSlot::Node(node) => it.record(from, row, node),
            })?;
        }
        self.close(separator);
        Ok(())
    }

    fn info(
        &mut self,
        from: Source<'_>,
        group: Option<&Group>,
        template: &PageTemplate<'d>,
        info: &[(&'d str, Info)],
    ) -> Written {
        let Rows::Page(page) = &from.load.rows else {
            return Ok(());
        };
        let window = &page.window;
        let more = group.is_some_and(|it| it.more);
        let shown = group.map_or([].as_slice(), |it| &it.rows);
        let row = |place: Option<&usize>| place.map(|it| from.loaded.rows.row(*it));
        let mut separator = '{';
        for (key, info) in info {
            self.key(&mut separator, key);
            match info {
                Info::Typename => self.json.word("PageInfo"),
                Info::HasNextPage => self
                    .json
                    .bool(!window.backward && more || window.before.is_some()),
                Info::HasPreviousPage => self
                    .json
                    .bool(window.backward && more || window.after.is_some()),
                Info::StartCursor => match row(shown.first()) {
                    Some(row) => self.cursor(row, template)?,
                    None => self.json.null(),
                },
                Info::EndCursor => match row(shown.last()) {
                    Some(row) => self.cursor(row, template)?,
                    None => self.json.null(),
                },
            }
        }
        self.close(separator);
        Ok(())
    }

    fn cursor(&mut self, row: Row<'_>, template: &PageTemplate<'d>) -> Written {
        let cursors = &template.cursors;
        let Some((id, key)) = cursors.cells else {
            return Ok(());
        };
        let position = Position::of(row, id, key, &cursors.kind);
        let position = position.map_err(|error| self.failed(error, None))?;
        self.json.word(&cursors.scope.write(&position));
        Ok(())
    }
}
