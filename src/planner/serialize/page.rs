//! Writes connections.

use sea_orm::prelude::Uuid;

use crate::db::Row;
use crate::planner::counts::{CountSlot, Counts};
use crate::planner::cursor::CursorPosition;
use crate::planner::execute::ParentRows;
use crate::planner::page::{EdgeSlot, PageInfoField, PageSlot, PageTemplate};
use crate::planner::plan::RowSource;
use crate::planner::serialize::{ResponsePathSegment, ResponseWriter, RowsSource, Written};

impl<'d> ResponseWriter<'d, '_> {
    /// Writes a connection.
    pub fn page(
        &mut self,
        from: RowsSource<'_>,
        parent: Uuid,
        template: &PageTemplate<'d>,
    ) -> Written {
        let group = from.loaded.group(parent);
        let mut separator = '{';
        for (key, slot) in &template.entries {
            self.key(&mut separator, key);
            self.at(ResponsePathSegment::Key(key), |writer| match slot {
                PageSlot::Typename => {
                    writer.json.raw_string(template.list.type_name);
                    Ok(())
                }
                PageSlot::Nodes(node) => writer.records(from, group, node),
                PageSlot::Edges(edge) => writer.each(from, group, |writer, row| {
                    writer.edge(from, row, template, edge)
                }),
                PageSlot::Info(info) => writer.info(from, group, template, info),
                PageSlot::TotalCount => {
                    writer.json.number(from.loaded.total(parent));
                    Ok(())
                }
                PageSlot::Counts(count) => {
                    if let Some(by) = &template.list.counts {
                        writer.counts(by, from.loaded.counts(parent), count);
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
        for (index, value) in (by.values)().iter().enumerate() {
            if index > 0 {
                self.json.raw(",");
            }
            let mut separator = '{';
            for (key, field) in fields {
                self.key(&mut separator, key);
                match field {
                    CountSlot::Typename => self.json.raw_string((by.object)().name),
                    CountSlot::Status => self.json.raw_string(value),
                    CountSlot::Count => {
                        let count = counted.iter().find(|entry| entry.0 == *value);
                        self.json.number(count.map_or(0, |entry| entry.1));
                    }
                }
            }
            self.close(separator);
        }
        self.json.raw("]");
    }

    fn edge(
        &mut self,
        from: RowsSource<'_>,
        row: Row<'_>,
        template: &PageTemplate<'d>,
        edge: &[(&'d str, EdgeSlot<'d>)],
    ) -> Written {
        let mut separator = '{';
        for (key, slot) in edge {
            self.key(&mut separator, key);
            self.at(ResponsePathSegment::Key(key), |writer| match slot {
                EdgeSlot::Typename => {
                    writer.json.raw_string(template.list.edge);
                    Ok(())
                }
                EdgeSlot::Cursor => writer.cursor(row, template),
                EdgeSlot::Node(node) => writer.record(from, row, node),
            })?;
        }
        self.close(separator);
        Ok(())
    }

    fn info(
        &mut self,
        from: RowsSource<'_>,
        group: Option<&ParentRows>,
        template: &PageTemplate<'d>,
        info: &[(&'d str, PageInfoField)],
    ) -> Written {
        let RowSource::Page(page) = &from.load.rows else {
            return Ok(());
        };
        let window = &page.window;
        let more = group.is_some_and(|group| group.more);
        let shown = group.map_or([].as_slice(), |group| &group.rows);
        let row = |position: Option<&usize>| position.map(|index| from.loaded.rows.row(*index));
        let mut separator = '{';
        for (key, info) in info {
            self.key(&mut separator, key);
            match info {
                PageInfoField::Typename => self.json.raw_string("PageInfo"),
                PageInfoField::HasNextPage => self
                    .json
                    .bool(!window.backward && more || window.before.is_some()),
                PageInfoField::HasPreviousPage => self
                    .json
                    .bool(window.backward && more || window.after.is_some()),
                PageInfoField::StartCursor => match row(shown.first()) {
                    Some(row) => self.cursor(row, template)?,
                    None => self.json.null(),
                },
                PageInfoField::EndCursor => match row(shown.last()) {
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
        let position = CursorPosition::of(row, id, key, &cursors.kind);
        let position = position.map_err(|error| self.failed(error, None))?;
        self.json.raw_string(&cursors.scope.encode(&position));
        Ok(())
    }
}
