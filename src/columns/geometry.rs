//! Geometries in WKB, which Milvus stores, as WKT, which it takes and returns.
//!
//! WKB is the OGC's Simple Features, part 1 (version 1.2.1), section 8; coordinates with Z and M have its codes or
//! those of EWKB.

use std::fmt::Write as _;

use bytes::Bytes;

/// Collections that nest deeper are refused.
const DEEPEST: usize = 32;

/// The WKT of a geometry; none where the bytes are no WKB. No bytes stay none, and text, which begins with neither of
/// the bytes that WKB begins with, stays as it is.
pub(super) fn wkt(geometry: &Bytes) -> Option<Bytes> {
    if !matches!(geometry.first(), Some(0 | 1)) {
        return Some(geometry.clone());
    }
    let mut reader = Reader {
        rest: geometry,
        little_endian: true,
    };
    let mut text = String::new();
    reader.geometry(&mut text, DEEPEST)?;
    reader.rest.is_empty().then(|| text.into())
}

struct Reader<'a> {
    rest: &'a [u8],
    little_endian: bool,
}

/// How a point is written: its dimensions, and their name.
#[derive(Clone, Copy)]
struct Point {
    dimensions: usize,
    suffix: &'static str,
}

impl Reader<'_> {
    fn geometry(&mut self, text: &mut String, deepest: usize) -> Option<()> {
        let (kind, point) = self.header()?;
        let (name, parts) = match kind {
            1 => ("POINT", None),
            2 => ("LINESTRING", None),
            3 => ("POLYGON", None),
            4 => ("MULTIPOINT", Some(1)),
            5 => ("MULTILINESTRING", Some(2)),
            6 => ("MULTIPOLYGON", Some(3)),
            7 => ("GEOMETRYCOLLECTION", Some(0)),
            _ => return None,
        };
        text.push_str(name);
        text.push_str(point.suffix);
        text.push(' ');
        let Some(part) = parts else {
            return self.shape(kind, point, text);
        };
        let deepest = deepest.checked_sub(1)?;
        self.list(text, |reader, text| {
            if part == 0 {
                return reader.geometry(text, deepest);
            }
            let (kind, point) = reader.header()?;
            (kind == part).then(|| reader.shape(kind, point, text))?
        })
    }

    /// The kind of a geometry, and how its points are written.
    fn header(&mut self) -> Option<(u32, Point)> {
        let [order] = self.take()?;
        self.little_endian = match order {
            0 => false,
            1 => true,
            _ => return None,
        };
        let code = self.number()?;
        // EWKB has flags, and perhaps the number of a reference system, which WKT has no place for.
        let (flags, code) = (code >> 29, code & 0x1fff_ffff);
        if flags & 1 != 0 {
            self.number()?;
        }
        let (z, m) = match code / 1000 {
            0 => (flags & 4 != 0, flags & 2 != 0),
            1 => (true, false),
            2 => (false, true),
            3 => (true, true),
            _ => return None,
        };
        let (dimensions, suffix) = match (z, m) {
            (false, false) => (2, ""),
            (true, false) => (3, " Z"),
            (false, true) => (3, " M"),
            (true, true) => (4, " ZM"),
        };
        Some((code % 1000, Point { dimensions, suffix }))
    }

    /// The coordinates of a point, a line or a polygon.
    fn shape(&mut self, kind: u32, point: Point, text: &mut String) -> Option<()> {
        match kind {
            1 => {
                let coordinates = self.coordinates(point)?;
                if coordinates.iter().all(|value| value.is_nan()) {
                    text.push_str("EMPTY");
                } else {
                    text.push('(');
                    write(&coordinates, text)?;
                    text.push(')');
                }
                Some(())
            }
            2 => self.points(point, text),
            _ => self.list(text, |reader, text| reader.points(point, text)),
        }
    }

    fn points(&mut self, point: Point, text: &mut String) -> Option<()> {
        self.list(text, |reader, text| {
            write(&reader.coordinates(point)?, text)
        })
    }

    /// As many items as the next number says, in brackets.
    fn list(
        &mut self,
        text: &mut String,
        mut item: impl FnMut(&mut Self, &mut String) -> Option<()>,
    ) -> Option<()> {
        let count = self.number()?;
        if count == 0 {
            text.push_str("EMPTY");
            return Some(());
        }
        text.push('(');
        for position in 0..count {
            if position > 0 {
                text.push_str(", ");
            }
            item(self, text)?;
        }
        text.push(')');
        Some(())
    }

    fn coordinates(&mut self, point: Point) -> Option<Vec<f64>> {
        (0..point.dimensions)
            .map(|_| {
                let bytes = self.take()?;
                Some(if self.little_endian {
                    f64::from_le_bytes(bytes)
                } else {
                    f64::from_be_bytes(bytes)
                })
            })
            .collect()
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = self.take()?;
        Some(if self.little_endian {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }
}

/// Writes each number with as few digits as tell it from all others.
fn write(coordinates: &[f64], text: &mut String) -> Option<()> {
    for (position, value) in coordinates.iter().enumerate() {
        if !value.is_finite() {
            return None;
        }
        let space = if position > 0 { " " } else { "" };
        write!(text, "{space}{value}").ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wkb: &str) -> Option<String> {
        let bytes: Vec<u8> = wkb
            .split_ascii_whitespace()
            .flat_map(|part| {
                (0..part.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&part[at..at + 2], 16).unwrap())
            })
            .collect();
        wkt(&bytes.into()).map(|text| String::from_utf8(text.to_vec()).unwrap())
    }

    const ONE: &str = "000000000000f03f";
    const TWO: &str = "0000000000000040";
    const THREE: &str = "0000000000000840";

    #[test]
    fn every_kind_of_geometry_is_written() {
        let point = format!("01 01000000 {ONE} {TWO}");
        let line = format!("01 02000000 02000000 {ONE} {TWO} {TWO} {ONE}");
        let ring = format!("04000000 {ONE} {ONE} {TWO} {TWO} {TWO} {ONE} {ONE} {ONE}");
        let polygon = format!("01 03000000 02000000 {ring} {ring}");
        let ring = "(1 1, 2 2, 2 1, 1 1)";
        let polygon_text = format!("({ring}, {ring})");
        for (wkb, text) in [
            (point.clone(), "POINT (1 2)".to_owned()),
            (line.clone(), "LINESTRING (1 2, 2 1)".to_owned()),
            (polygon.clone(), format!("POLYGON {polygon_text}")),
            (
                format!("01 04000000 02000000 {point} {point}"),
                "MULTIPOINT ((1 2), (1 2))".into(),
            ),
            (
                format!("01 05000000 01000000 {line}"),
                "MULTILINESTRING ((1 2, 2 1))".into(),
            ),
            (
                format!("01 06000000 02000000 {polygon} {polygon}"),
                format!("MULTIPOLYGON ({polygon_text}, {polygon_text})"),
            ),
            (
                format!("01 07000000 02000000 {point} 01 07000000 01000000 {line}"),
                "GEOMETRYCOLLECTION (POINT (1 2), GEOMETRYCOLLECTION (LINESTRING (1 2, 2 1)))"
                    .into(),
            ),
            ("01 02000000 00000000".into(), "LINESTRING EMPTY".into()),
            (
                "01 01000000 000000000000f87f 000000000000f87f".into(),
                "POINT EMPTY".into(),
            ),
            (
                "00 00000001 3fb999999999999a c059000000000000".into(),
                "POINT (0.1 -100)".into(),
            ),
            (
                format!("01 e9030000 {ONE} {TWO} {THREE}"),
                "POINT Z (1 2 3)".into(),
            ),
            (
                format!("01 d1070000 {ONE} {TWO} {THREE}"),
                "POINT M (1 2 3)".into(),
            ),
            (
                format!("01 b90b0000 {ONE} {TWO} {THREE} {ONE}"),
                "POINT ZM (1 2 3 1)".into(),
            ),
            (
                format!("01 010000a0 e6100000 {ONE} {TWO} {THREE}"),
                "POINT Z (1 2 3)".into(),
            ),
        ] {
            assert_eq!(of(&wkb), Some(text), "{wkb}");
        }
    }

    #[test]
    fn what_is_no_wkb_is_refused_and_text_is_left_alone() {
        let point = format!("01 01000000 {ONE} {TWO}");
        for broken in [
            "01",
            "01 01000000",
            "01 08000000 00000000",
            "01 02000000 ffffffff",
            &format!("{point} 00"),
            &format!("01 01000000 {ONE} 000000000000f07f"),
            &format!("01 05000000 01000000 {point}"),
            &"01 07000000 01000000".repeat(1000),
        ] {
            assert_eq!(of(broken), None, "{broken}");
        }
        for text in ["", "POINT (1 2)"] {
            assert_eq!(wkt(&text.into()), Some(text.into()));
        }
    }
}
