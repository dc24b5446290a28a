//! A trained model with its preparation, as a directory that can be deployed: `MLmodel` (MLflow's description, with signature) and `model.json`.
use crate::judge::{Task, likeliest};
use crate::models::Model;
use crate::prepare::Preparation;
use crate::{LearningError, Matrix, Table, exact};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of `model.json`. It grows when older programs could not read what newer ones write.
pub const FORMAT: u32 = 1;

const MODEL_FILE: &str = "model.json";
const DESCRIPTION_FILE: &str = "MLmodel";

/// One model with the preparation that it was trained behind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// Its share in the mean.
    #[serde(with = "exact::one")]
    pub weight: f64,
    pub preparation: Preparation,
    pub model: Model,
}

impl Member {
    /// Numbers, or probabilities row by row.
    pub fn raw(&self, table: &Table) -> Result<Vec<f64>, LearningError> {
        self.model.predict(&self.preparation.apply(table)?)
    }
}

/// What a model says about rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Predictions {
    Numbers(Vec<f64>),
    Classes {
        /// The likeliest class of each row.
        labels: Vec<String>,
        classes: Vec<String>,
        /// A column for each class.
        probabilities: Matrix,
    },
}

/// A trained model: the weighted mean of one or more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trained {
    format: u32,
    task: Task,
    /// The column that is predicted.
    target: String,
    classes: Vec<String>,
    /// What it is, in words.
    description: String,
    members: Vec<Member>,
}

impl Trained {
    /// A model of members whose weights sum to 1. For classes, their names in the order of the probabilities.
    pub fn new(target: &str, classes: Option<Vec<String>>, description: String, members: Vec<Member>) -> Self {
        let task = if classes.is_some() { Task::Classification } else { Task::Regression };
        Self { format: FORMAT, task, target: target.into(), classes: classes.unwrap_or_default(), description, members }
    }

    /// The same model with the name of the column that it predicts.
    pub(crate) fn named(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    pub fn task(&self) -> Task {
        self.task
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Numbers, or probabilities row by row.
    pub fn raw(&self, table: &Table) -> Result<Vec<f64>, LearningError> {
        let mut out: Vec<f64> = Vec::new();
        for member in &self.members {
            let part = member.raw(table)?;
            out.resize(part.len(), 0.0);
            out.iter_mut().zip(part).for_each(|(sum, p)| *sum += member.weight * p);
        }
        Ok(out)
    }

    /// Predicts a table that has at least the columns that it was trained with.
    pub fn predict(&self, table: &Table) -> Result<Predictions, LearningError> {
        let raw = self.raw(table)?;
        if self.task == Task::Regression {
            return Ok(Predictions::Numbers(raw));
        }
        let count = self.classes.len();
        let labels = likeliest(&raw, count).into_iter().map(|c| self.classes[c].clone()).collect();
        let data = (0..count).flat_map(|c| raw.iter().skip(c).step_by(count).copied()).collect();
        let probabilities = Matrix::of(table.rows(), self.classes.clone(), data);
        Ok(Predictions::Classes { labels, classes: self.classes.clone(), probabilities })
    }

    /// Writes the model into a directory, which is made; what is in it under the same names is replaced.
    pub fn save(&self, directory: &Path) -> Result<(), LearningError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error: &dyn std::fmt::Display| LearningError::Saved { path, what: error.to_string() }
        };
        std::fs::create_dir_all(directory).map_err(|e| failed(directory)(&e))?;
        let json = serde_json::to_vec(self).map_err(|e| failed(directory)(&e))?;
        // The description last: where it is, the model is whole.
        for (name, bytes) in [(MODEL_FILE, json), (DESCRIPTION_FILE, self.mlmodel().into_bytes())] {
            let path = directory.join(name);
            std::fs::write(&path, bytes).map_err(|e| failed(&path)(&e))?;
        }
        Ok(())
    }

    /// Reads a model from a directory.
    pub fn load(directory: &Path) -> Result<Self, LearningError> {
        let path = directory.join(MODEL_FILE);
        let failed = |what: String| LearningError::Saved { path: path.display().to_string(), what };
        let bytes = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(&bytes).map_err(|e| failed(format!("this is no model of Ochre's: {e}")))?;
        if head.format > FORMAT {
            return Err(failed(format!("it has format {}, and this Ochre reads up to {FORMAT}; update it", head.format)));
        }
        serde_json::from_slice(&bytes).map_err(|e| failed(format!("it does not parse: {e}")))
    }

    /// MLflow's description: flavor, and a signature that servers check rows with.
    fn mlmodel(&self) -> String {
        let quoted = |value: serde_json::Value| format!("'{}'", value.to_string().replace('\'', "''"));
        let mut inputs: Vec<serde_json::Value> = Vec::new();
        for field in self.members.iter().flat_map(|m| m.preparation.fields()) {
            if inputs.iter().all(|i| i["name"] != field.name.as_str()) {
                let kind = if field.text { "string" } else { "double" };
                inputs.push(serde_json::json!({"type": kind, "name": field.name, "required": !field.optional}));
            }
        }
        let output = match self.task {
            Task::Regression => vec![serde_json::json!({"type": "double", "name": "prediction", "required": true})],
            Task::Classification => {
                let label = serde_json::json!({"type": "string", "name": "prediction", "required": true});
                let share = |c: &String| serde_json::json!({"type": "double", "name": format!("probability_{c}"), "required": true});
                std::iter::once(label).chain(self.classes.iter().map(share)).collect()
            }
        };
        format!(
            "flavors:\n  ochre:\n    data: {MODEL_FILE}\n    format: {FORMAT}\n    model: {}\n    target: {}\n    task: {}\nsignature:\n  inputs: {}\n  outputs: {}\n  params: null\n",
            quoted_text(&self.description),
            quoted_text(&self.target),
            self.task.name(),
            quoted(serde_json::Value::Array(inputs)),
            quoted(serde_json::Value::Array(output)),
        )
    }
}

/// A text in YAML's double quotes, which take JSON's escapes.
fn quoted_text(text: &str) -> String {
    serde_json::Value::String(text.into()).to_string()
}
