//! Rows of texts go in, aligned columns come out.

use std::fmt;

use super::shown::Shown;

/// Rows under a heading, or without one.
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// One text, and to which side of its column it is set.
pub(super) enum Cell {
    /// Words.
    Left(String),
    /// Numbers.
    Right(String),
}

impl Cell {
    /// Words of anybody's.
    pub(super) fn text(text: &str) -> Self {
        Self::Left(Shown::text(text).to_string())
    }

    /// A number.
    pub(super) fn number(number: impl fmt::Display) -> Self {
        Self::Right(number.to_string())
    }

    fn width(&self) -> usize {
        match self {
            Self::Left(text) | Self::Right(text) => text.chars().count(),
        }
    }
}

impl Table {
    /// A table with one word over each column.
    pub(super) fn titled(titles: &[&str]) -> Self {
        Self { rows: vec![titles.iter().map(|title| Cell::text(title)).collect()] }
    }

    /// A table without.
    pub(super) fn plain() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row: &Vec<Cell>| row.get(column));
            cells.map(Cell::width).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                match cell {
                    Cell::Left(text) => line.push_str(&format!("{text:<width$}  ")),
                    Cell::Right(text) => line.push_str(&format!("{text:>width$}  ")),
                }
            }
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::titled(&["NAME", "RULES", "STATE"]);
        table.row([Cell::text("ads"), Cell::number(12), Cell::text("ok")]);
        table.row([Cell::text("a-long-name"), Cell::number(1_234_567), Cell::text("")]);

        let expected = "NAME         RULES    STATE\n\
                        ads               12  ok\n\
                        a-long-name  1234567";
        assert_eq!(table.to_string(), expected);
    }
}
