//! Standard error: permanent lines, and below them an area that is redrawn.
//!
//! Progress, log lines and messages all go through one [`Screen`], so that they do not interleave.
//!
//! The area is redrawn in place. A terminal that was narrowed has wrapped long lines into several rows. So the number
//! of rows to move up is computed from the previous lines and the current width. Lines are never padded, so that
//! short ones do not wrap. The few terminals that cut off long lines lose as many rows above the area, once.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::color::{Palette, Style};
use dray::text::escape;

/// Size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Characters of a row.
    pub(super) columns: usize,
    /// Rows.
    pub(super) rows: usize,
}

/// The assumed size of a terminal that does not report one.
const USUAL_SIZE: Size = Size { columns: 80, rows: 24 };

/// A line of the changing area, in pieces of one style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pieces: Vec<(Style, String)>,
}

impl Line {
    /// The line with one more piece. Characters whose width differs between terminals become question marks, because
    /// the number of rows is computed from widths.
    #[must_use]
    pub(super) fn with(mut self, style: Style, text: &str) -> Self {
        let has_known_width = |c: char| c.is_ascii_graphic() || c == ' ';
        let text = text.chars().map(|c| if has_known_width(c) { c } else { '?' }).collect();
        self.pieces.push((style, text));
        self
    }

    /// The text without styles, for tests.
    #[cfg(test)]
    pub(super) fn to_text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Appends as much as fits, and returns the number of columns.
    fn draw(&self, columns: usize, palette: Palette, into: &mut String) -> usize {
        let mut left = columns;
        for (style, text) in &self.pieces {
            let fits: String = text.chars().take(left).collect();
            left -= fits.chars().count();
            into.push_str(&palette.paint(*style, &fits));
        }
        columns - left
    }
}

/// Standard error, or its replacement in a test.
pub(super) struct Screen {
    palette: Palette,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    size: Box<dyn Fn() -> Size + Send>,
    area: Vec<Line>,
    /// The drawn width of each line of the area.
    drawn: Vec<usize>,
    drawn_at: Option<Size>,
}

impl Screen {
    /// Standard error of this process.
    pub(super) fn stderr(palette: Palette) -> Self {
        Self::new(palette, Box::new(io::stderr()), Box::new(stderr_size))
    }

    fn new(palette: Palette, out: Box<dyn Write + Send>, size: Box<dyn Fn() -> Size + Send>) -> Self {
        let state = State { out, size, area: Vec::new(), drawn: Vec::new(), drawn_at: None };
        Self { palette, state: Mutex::new(state) }
    }

    /// Colours of this stream.
    pub(super) fn palette(&self) -> Palette {
        self.palette
    }

    /// Maximum number of rows of the area. The last row of the terminal belongs to the cursor.
    pub(super) fn area_rows(&self) -> usize {
        (self.state().size)().rows.saturating_sub(1).max(1)
    }

    /// Prints permanent text above the area. The caller must have escaped text from outside.
    pub(super) fn print(&self, text: &str) {
        let mut state = self.state();
        let mut frame = state.way_back();
        frame.push_str("\u{1b}[J");
        if state.drawn.is_empty() {
            frame.clear();
        }
        frame.push_str(text);
        if !text.ends_with('\n') {
            frame.push('\n');
        }
        state.draw_area(self.palette, frame);
    }

    /// Replaces the area. Writes nothing if nothing has changed.
    pub(super) fn show(&self, area: Vec<Line>) {
        let mut state = self.state();
        if state.area == area && state.drawn_at == Some((state.size)()) {
            return;
        }
        state.area = area;
        let frame = state.way_back();
        state.draw_area(self.palette, frame);
    }

    /// Leaves the area on the terminal. Later output comes below it.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        state.area.clear();
        state.drawn.clear();
        state.drawn_at = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Moves the cursor to the first row of the area.
    fn way_back(&self) -> String {
        let columns = (self.size)().columns.max(1);
        let rows: usize = self.drawn.iter().map(|length| length.div_ceil(columns).max(1)).sum();
        if rows == 0 { String::new() } else { format!("\u{1b}[{rows}A\r") }
    }

    /// Writes the frame and the area in one call. A failure is ignored, because standard error is where it would be
    /// reported.
    fn draw_area(&mut self, palette: Palette, mut frame: String) {
        let size = (self.size)();
        let had_area = !self.drawn.is_empty();
        self.drawn.clear();
        for line in &self.area {
            // The last column stays free, because terminals differ in how they wrap there.
            let columns = line.draw(size.columns.saturating_sub(1), palette, &mut frame);
            frame.push_str("\u{1b}[K\n");
            self.drawn.push(columns);
        }
        if had_area {
            frame.push_str("\u{1b}[J");
        }
        self.drawn_at = Some(size);
        let _ = self.out.write_all(frame.as_bytes());
        let _ = self.out.flush();
    }
}

fn stderr_size() -> Size {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            Size { columns: size.ws_col.into(), rows: size.ws_row.into() }
        }
        _ => USUAL_SIZE,
    }
}

/// Prints complete log lines, escaped.
pub(super) struct LogLines(pub(super) Arc<Screen>);

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The formatter writes one whole event at a time.
        let mut text = String::new();
        for line in String::from_utf8_lossy(bytes).trim_end_matches('\n').split('\n') {
            let _ = writeln!(text, "{}", escape::line(line));
        }
        self.0.print(&text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A screen that records its output, for tests.
#[cfg(test)]
pub(super) mod memory {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The output so far, and the size of the screen.
    #[derive(Clone, Default)]
    pub(crate) struct Memory {
        written: Arc<Mutex<Vec<u8>>>,
        columns: Arc<AtomicUsize>,
        rows: Arc<AtomicUsize>,
    }

    impl Memory {
        /// A screen of a size, without colours.
        pub(crate) fn screen(columns: usize, rows: usize) -> (Screen, Self) {
            let memory = Self::default();
            memory.resize(columns, rows);
            let size = memory.clone();
            let size = move || Size {
                columns: size.columns.load(Ordering::Relaxed),
                rows: size.rows.load(Ordering::Relaxed),
            };
            (Screen::new(Palette::NONE, Box::new(memory.clone()), Box::new(size)), memory)
        }

        /// Changes the size.
        pub(crate) fn resize(&self, columns: usize, rows: usize) {
            self.columns.store(columns, Ordering::Relaxed);
            self.rows.store(rows, Ordering::Relaxed);
        }

        /// Takes the output since the last call.
        pub(crate) fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut self.written.lock().unwrap())).unwrap()
        }
    }

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::memory::Memory;
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::default().with(Style::Plain, text)).collect()
    }

    #[test]
    fn without_an_area_only_the_text_is_written() {
        let (screen, memory) = Memory::screen(80, 24);
        screen.print("one");
        screen.print("two\n");
        assert_eq!(memory.take(), "one\ntwo\n");
    }

    #[test]
    fn the_area_is_redrawn_in_place_and_text_goes_above() {
        let (screen, memory) = Memory::screen(80, 24);
        screen.show(lines(&["a", "b"]));
        assert_eq!(memory.take(), "a\u{1b}[K\nb\u{1b}[K\n");
        screen.show(lines(&["a", "b"]));
        assert_eq!(memory.take(), "", "nothing has changed");
        screen.show(lines(&["a", "c"]));
        assert_eq!(memory.take(), "\u{1b}[2A\ra\u{1b}[K\nc\u{1b}[K\n\u{1b}[J");
        screen.print("text");
        assert_eq!(memory.take(), "\u{1b}[2A\r\u{1b}[Jtext\na\u{1b}[K\nc\u{1b}[K\n\u{1b}[J");
        screen.settle();
        screen.print("after");
        assert_eq!(memory.take(), "after\n");
    }

    #[test]
    fn wrapped_lines_are_cleared_after_narrowing() {
        let (screen, memory) = Memory::screen(21, 24);
        screen.show(lines(&["0123456789abcdefghijklmnopqrs", "short"]));
        assert_eq!(memory.take(), "0123456789abcdefghij\u{1b}[K\nshort\u{1b}[K\n");
        memory.resize(10, 24);
        screen.show(lines(&["0123456789abcdefghijklmnopqrs", "short"]));
        // The first line, 20 characters, takes two rows now; the second still one.
        assert_eq!(memory.take(), "\u{1b}[3A\r012345678\u{1b}[K\nshort\u{1b}[K\n\u{1b}[J");
    }

    #[test]
    fn log_lines_are_escaped() {
        let (screen, memory) = Memory::screen(80, 24);
        LogLines(Arc::new(screen)).write_all(b"a \x1b[2J\nb\n").unwrap();
        assert_eq!(memory.take(), "a \\u{1b}[2J\nb\n");
    }
}
