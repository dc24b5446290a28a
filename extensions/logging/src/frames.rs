//! Frames and pictures as artifacts.
use crate::LogError;
use crate::recorder::Recorder;
use crate::registry::recorder;
use image::{ImageFormat, ImageReader};
use ochre_plots::ToPicture;
use ochre_spool::{Record, limits};
use polars::prelude::*;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Cursor, Write};
use std::path::Path;

/// MLflow's tag that lists what its page shows as tables.
const TABLES: &str = "mlflow.loggedArtifacts";

/// Logs a frame. The name's ending decides how: `.csv`, `.json` (MLflow's table, which its page shows and `mlflow.load_table` reads), `.arrow`
/// or `.ipc`, else Parquet, with `.parquet` added where it is not there.
pub fn log_frame(name: impl AsRef<str>, frame: &DataFrame) -> Result<(), LogError> {
    recorder().map_or(Ok(()), |recorder| frame_to(&recorder, name.as_ref(), frame))
}

/// Logs a picture: the bytes of a picture file, or a picture of the crate `image`. Without an ending the name gets `.png`; bytes that are already
/// of the kind that the ending says are logged as they are.
pub fn log_image(name: impl AsRef<str>, picture: &(impl ToPicture + ?Sized)) -> Result<(), LogError> {
    recorder().map_or(Ok(()), |recorder| picture_to(&recorder, name.as_ref(), picture))
}

fn picture_to(recorder: &Recorder, name: &str, picture: &(impl ToPicture + ?Sized)) -> Result<(), LogError> {
    let (path, format) = picture_name(name);
    let failed = |why: String| LogError::Content { name: path.clone(), why };
    if let Some(bytes) = picture.encoded().filter(|bytes| image::guess_format(bytes).is_ok_and(|f| f == format)) {
        // The header is read, so that what is no picture is told now.
        ImageReader::with_format(Cursor::new(bytes), format).into_dimensions().map_err(|e| failed(e.to_string()))?;
        return keep(recorder, &path, |file| file.write_all(bytes).map_err(|e| failed(e.to_string())));
    }
    let picture = picture.to_picture().map_err(|e| failed(e.to_string()))?;
    let mut bytes = Cursor::new(Vec::new());
    // JPEG has no transparency.
    let written = if format == ImageFormat::Jpeg { picture.to_rgb8().write_to(&mut bytes, format) } else { picture.write_to(&mut bytes, format) };
    written.map_err(|e| failed(e.to_string()))?;
    keep(recorder, &path, |file| file.write_all(bytes.get_ref()).map_err(|e| failed(e.to_string())))
}

/// The artifact's path and its format, which is PNG for endings of none that we write.
fn picture_name(name: &str) -> (String, ImageFormat) {
    let path = limits::artifact_path(name);
    let writable = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP];
    match ImageFormat::from_path(&path).ok().filter(|f| writable.contains(f)) {
        Some(format) => (path, format),
        None => (format!("{path}.png"), ImageFormat::Png),
    }
}

fn frame_to(recorder: &Recorder, name: &str, frame: &DataFrame) -> Result<(), LogError> {
    let mut path = limits::artifact_path(name);
    let ending = Path::new(&path).extension().map(|e| e.to_ascii_lowercase().to_string_lossy().into_owned()).unwrap_or_default();
    let known = ["csv", "json", "arrow", "ipc", "parquet"].contains(&ending.as_str());
    if !known {
        path.push_str(".parquet");
    }
    // Rechunking and the like change a frame that is handed over; its columns are shared.
    let mut frame = frame.clone();
    keep(recorder, &path, |file| {
        let written = match ending.as_str() {
            "csv" => CsvWriter::new(file).finish(&mut frame),
            "json" => serde_json::to_writer(file, &table(&frame)).map_err(|e| polars_err!(ComputeError: "{e}")),
            "arrow" | "ipc" => IpcWriter::new(file).finish(&mut frame),
            _ => ParquetWriter::new(file).finish(&mut frame).map(drop),
        };
        written.map_err(|e| LogError::Content { name: path.clone(), why: e.to_string() })
    })?;
    if ending == "json" {
        let tables = recorder.add_table(&path);
        recorder.tag(TABLES, &tables);
    }
    Ok(())
}

/// Writes a file of the spool's own and logs it.
fn keep(recorder: &Recorder, path: &str, write: impl FnOnce(&mut File) -> Result<(), LogError>) -> Result<(), LogError> {
    let copy = recorder.spool.place_for_copy(path.rsplit('/').next().unwrap_or_default())?;
    let written = File::create_new(&copy).map_err(LogError::file(&copy)).and_then(|mut file| write(&mut file));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&copy);
        return Err(error);
    }
    recorder.record(&Record::Artifact { path: path.to_owned(), file: copy, owned: true });
    Ok(())
}

/// pandas' `split` form, as MLflow's `log_table` writes it.
fn table(frame: &DataFrame) -> Value {
    let columns: Vec<&str> = frame.get_column_names().iter().map(|n| n.as_str()).collect();
    let rows: Vec<Value> = (0..frame.height())
        .map(|row| frame.columns().iter().map(|column| column.get(row).map_or(Value::Null, |value| cell(&value))).collect())
        .collect();
    json!({"columns": columns, "data": rows})
}

fn cell(value: &AnyValue) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => json!(value),
        AnyValue::List(values) => values.iter().map(|v| cell(&v)).collect(),
        value if value.is_integer() => value.extract::<i64>().map_or_else(|| json!(value.to_string()), |v| json!(v)),
        value if value.is_float() => value.extract::<f64>().map_or(Value::Null, |v| json!(v)),
        value => json!(value.get_str().map_or_else(|| value.to_string(), str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::active::Delivery;
    use ochre_spool::Most;
    use ochre_spool::wire::Active;
    use std::collections::BTreeMap;

    #[test]
    fn a_frame_is_mlflows_table() {
        let frame = df!("n" => [Some(1i64), None], "x" => [0.5, f64::NAN], "s" => ["a", "b"], "b" => [true, false]).expect("a frame");
        assert_eq!(table(&frame), json!({"columns": ["n", "x", "s", "b"], "data": [[1, 0.5, "a", true], [null, null, "b", false]]}));
    }

    /// What was logged in a run of a test's: the files by their paths, and the tags.
    fn logged(work: impl FnOnce(&Recorder)) -> (BTreeMap<String, Vec<u8>>, Vec<(String, String)>) {
        let place = tempfile::tempdir().expect("a folder");
        let active = Active { run_id: "r".into(), spool_directory: Some(place.path().to_owned()), ..Active::default() };
        let recorder = Recorder::open(active, Delivery::Fetched).expect("a spool");
        work(&recorder);
        let (mut files, mut tags) = (BTreeMap::new(), Vec::new());
        for record in recorder.spool.batch(Most { records: 100, bytes: usize::MAX }).records() {
            match record {
                Record::Artifact { path, file, owned: true } => drop(files.insert(path, std::fs::read(file).expect("the copy"))),
                Record::Tag { key, value } => tags.push((key, value)),
                other => panic!("{other:?}"),
            }
        }
        (files, tags)
    }

    #[test]
    fn frames_are_files_of_the_kind_that_their_name_says() {
        let frame = df!("n" => [1i64, 2], "s" => ["a", "b"]).expect("a frame");
        let (files, tags) = logged(|recorder| ["t", "t.csv", "t.json", "deep/t.arrow", "u.json"].into_iter().for_each(|name| frame_to(recorder, name, &frame).expect("logged")));
        assert_eq!(files.keys().collect::<Vec<_>>(), ["deep/t.arrow", "t.csv", "t.json", "t.parquet", "u.json"]);
        assert_eq!(files["t.csv"], b"n,s\n1,a\n2,b\n");
        assert_eq!(files["t.json"], br#"{"columns":["n","s"],"data":[[1,"a"],[2,"b"]]}"#);
        assert_eq!(ParquetReader::new(Cursor::new(&files["t.parquet"])).finish().expect("a frame"), frame);
        assert_eq!(IpcReader::new(Cursor::new(&files["deep/t.arrow"])).finish().expect("a frame"), frame);
        assert_eq!(tags[1], (TABLES.to_owned(), r#"[{"path":"t.json","type":"table"},{"path":"u.json","type":"table"}]"#.to_owned()));
    }

    #[test]
    fn pictures_are_files_of_the_kind_that_their_name_says() {
        let picture = image::RgbImage::from_pixel(3, 2, image::Rgb([1, 2, 3]));
        let mut png = Cursor::new(Vec::new());
        picture.write_to(&mut png, ImageFormat::Png).expect("a PNG");
        let png = png.into_inner();
        let (files, _) = logged(|recorder| {
            picture_to(recorder, "p", &picture).expect("logged");
            picture_to(recorder, "q.jpg", &png).expect("logged");
            picture_to(recorder, "same.png", &png).expect("logged");
            let broken = picture_to(recorder, "r", &b"not a picture"[..]).expect_err("refused");
            assert!(broken.to_string().starts_with("cannot log `r.png`: "), "{broken}");
        });
        assert_eq!(files.keys().collect::<Vec<_>>(), ["p.png", "q.jpg", "same.png"]);
        assert_eq!(files["same.png"], png);
        assert_eq!(image::load_from_memory(&files["p.png"]).expect("a picture").to_rgb8(), picture);
        assert_eq!(image::guess_format(&files["q.jpg"]).expect("a picture"), ImageFormat::Jpeg);
    }

    #[test]
    fn a_picture_gets_the_ending_of_its_bytes() {
        assert_eq!(picture_name("a/digits"), ("a/digits.png".into(), ImageFormat::Png));
        assert_eq!(picture_name("a.JPG"), ("a.JPG".into(), ImageFormat::Jpeg));
        assert_eq!(picture_name("a.svg"), ("a.svg.png".into(), ImageFormat::Png));
    }
}
