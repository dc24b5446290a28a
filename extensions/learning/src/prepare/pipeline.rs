//! Several steps as one, and the preparation that a model is saved with.
use super::{MinMaxScaler, OneHotEncoder, OrdinalEncoder, SimpleImputer, StandardScaler};
use crate::{LearningError, Matrix, Table, Values};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// One step of a pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    Impute(SimpleImputer),
    Standard(StandardScaler),
    MinMax(MinMaxScaler),
    OneHot(OneHotEncoder),
    Ordinal(OrdinalEncoder),
    /// Leaves columns out.
    Drop(Vec<String>),
}

macro_rules! steps {
    ($($variant:ident($type:ty)),*) => {$(
        impl From<$type> for Step {
            fn from(step: $type) -> Self {
                Step::$variant(step)
            }
        }
    )*};
}
steps!(Impute(SimpleImputer), Standard(StandardScaler), MinMax(MinMaxScaler), OneHot(OneHotEncoder), Ordinal(OrdinalEncoder));

impl Step {
    fn fit(&mut self, table: &Table) -> Result<(), LearningError> {
        match self {
            Step::Impute(step) => step.learn(table),
            Step::Standard(step) => step.learn(table),
            Step::MinMax(step) => step.learn(table),
            Step::OneHot(step) => step.learn(table),
            Step::Ordinal(step) => step.learn(table),
            Step::Drop(names) => names.iter().try_for_each(|name| table.column(name).map(|_| ())),
        }
    }

    fn transform(&self, table: Table) -> Result<Table, LearningError> {
        match self {
            Step::Impute(step) => step.apply(&table),
            Step::Standard(step) => step.apply(&table),
            Step::MinMax(step) => step.apply(&table),
            Step::OneHot(step) => step.apply(&table),
            Step::Ordinal(step) => step.apply(&table),
            Step::Drop(names) => {
                let rows = table.rows();
                Ok(Table::of(table.into_columns().into_iter().filter(|c| !names.contains(&c.name)).collect(), rows))
            }
        }
    }
}

/// Steps, each fitted on what those before it give.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pipeline {
    steps: Vec<Step>,
    fitted: bool,
}

impl Pipeline {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step at the end.
    pub fn then(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self.fitted = false;
        self
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Fits all steps.
    pub(crate) fn learn(&mut self, table: &Table) -> Result<(), LearningError> {
        self.learn_apply(table).map(|_| ())
    }

    /// Fits all steps and gives the prepared table. When a step fails the pipeline stays as it was.
    pub(crate) fn learn_apply(&mut self, table: &Table) -> Result<Table, LearningError> {
        let (mut steps, mut table) = (self.steps.clone(), table.clone());
        for step in &mut steps {
            step.fit(&table)?;
            table = step.transform(table)?;
        }
        (self.steps, self.fitted) = (steps, true);
        Ok(table)
    }

    /// Prepares a table.
    pub(crate) fn apply(&self, table: &Table) -> Result<Table, LearningError> {
        if !self.fitted {
            return Err(LearningError::NotFitted("Pipeline"));
        }
        self.steps.iter().try_fold(table.clone(), |table, step| step.transform(table))
    }
}

/// A column that a model needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    /// Texts where true, else numbers.
    pub text: bool,
    /// Whether values were missing in what it was fitted on.
    pub optional: bool,
}

/// A fitted pipeline with the columns it needs: from a table as users have it to the numbers that a model takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Preparation {
    fields: Vec<Field>,
    pipeline: Pipeline,
    outputs: Vec<String>,
}

/// Different texts up to which each gets a column; more get a number each.
const SPREAD_LIMIT: usize = 20;

impl Preparation {
    /// Fits a pipeline; gives the prepared numbers too.
    pub fn fit(mut pipeline: Pipeline, table: &Table) -> Result<(Self, Matrix), LearningError> {
        let field = |c: &crate::Column| Field { name: c.name.clone(), text: matches!(c.values, Values::Texts(_)), optional: c.values.missing() > 0 };
        let fields = table.columns().iter().map(field).collect();
        let matrix = pipeline.learn_apply(table)?.matrix()?;
        Ok((Self { fields, pipeline, outputs: matrix.names().to_vec() }, matrix))
    }

    /// The steps that suit a table without being told: columns with nothing in them and texts that are all different are left out, missing values
    /// filled (and said in a column of their own), few texts spread over columns, many numbered, and numbers scaled where `scaled`.
    pub fn automatic(table: &Table, scaled: bool) -> Pipeline {
        let (mut useless, mut few, mut many) = (Vec::new(), Vec::new(), Vec::new());
        for column in table.columns() {
            let present = table.rows() - column.values.missing();
            match &column.values {
                Values::Numbers(values) => {
                    let mut known = values.iter().filter(|x| !x.is_nan());
                    let first = known.next().copied();
                    // Constant numbers that are sometimes missing still tell whether they are.
                    if first.is_none() || (present == table.rows() && known.all(|x| Some(*x) == first)) {
                        useless.push(column.name.clone());
                    }
                }
                Values::Texts(values) => {
                    let different = values.iter().flatten().collect::<HashSet<_>>().len();
                    let kinds = different + usize::from(present < table.rows());
                    match different {
                        _ if kinds < 2 || (different == present && different > SPREAD_LIMIT) => useless.push(column.name.clone()),
                        n if n <= SPREAD_LIMIT => few.push(column.name.clone()),
                        _ => many.push(column.name.clone()),
                    }
                }
            }
        }
        let mut pipeline = Pipeline::new();
        if !useless.is_empty() {
            pipeline.steps.push(Step::Drop(useless));
        }
        pipeline = pipeline.then(OrdinalEncoder::new().columns(many).unknown_ignored());
        pipeline = pipeline.then(SimpleImputer::median().with_indicators()).then(OneHotEncoder::new().columns(few).unknown_ignored());
        if scaled { pipeline.then(StandardScaler::new()) } else { pipeline }
    }

    /// The columns that are needed, in the order they were fitted in.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The names of the prepared columns.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Prepares a table that has at least the columns that are needed, in any order.
    ///
    /// # Errors
    /// A column is not there or of another kind, or a step refuses a value.
    pub fn apply(&self, table: &Table) -> Result<Matrix, LearningError> {
        let mut columns = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let column = table.column(&field.name)?;
            let fits = match &column.values {
                // A column in which all is missing may have come as either.
                values if values.missing() == values.len() => true,
                Values::Texts(_) => field.text,
                Values::Numbers(_) => !field.text,
            };
            if !fits {
                let expected = if field.text { "texts" } else { "numbers" };
                return Err(LearningError::Kind { column: field.name.clone(), expected, found: column.values.kind(), hint: ", as the model was trained with" });
            }
            let mut column = column.clone();
            column.values = match (column.values, field.text) {
                (Values::Texts(v), false) => Values::Numbers(vec![f64::NAN; v.len()]),
                (Values::Numbers(v), true) => Values::Texts(vec![None; v.len()]),
                (values, _) => values,
            };
            columns.push(column);
        }
        let matrix = self.pipeline.apply(&Table::of(columns, table.rows()))?.matrix()?;
        crate::error::same_length("the prepared table", self.outputs.len(), matrix.columns())?;
        Ok(matrix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    fn texts(values: &[Option<&str>]) -> Vec<Option<String>> {
        values.iter().map(|t| t.map(String::from)).collect()
    }

    fn table() -> Table {
        Table::new(vec![
            Column::numbers("constant", vec![1.0; 4]),
            Column::texts("town", texts(&[Some("Ulm"), None, Some("Kiel"), Some("Ulm")])),
            Column::numbers("age", vec![10.0, f64::NAN, 30.0, 20.0]),
        ])
        .unwrap()
    }

    #[test]
    fn an_automatic_preparation_fits_what_is_there_and_survives_being_saved() {
        let (preparation, matrix) = Preparation::fit(Preparation::automatic(&table(), true), &table()).unwrap();
        assert_eq!(matrix.names(), ["town_Kiel", "town_Ulm", "town_missing", "age", "age_missing"]);
        matrix.complete().unwrap();
        let saved: Preparation = serde_json::from_str(&serde_json::to_string(&preparation).unwrap()).unwrap();
        assert_eq!(saved.apply(&table()).unwrap(), matrix);
    }

    /// "What a preparation learnt is saved with it, and new rows that it cannot know are refused by name."
    #[test]
    fn new_rows_may_have_other_towns_and_another_order_but_not_other_kinds() {
        let (preparation, _) = Preparation::fit(Preparation::automatic(&table(), false), &table()).unwrap();
        let new = Table::new(vec![
            Column::numbers("age", vec![f64::NAN]),
            Column::numbers("constant", vec![7.0]),
            Column::texts("town", texts(&[Some("Bonn")])),
            Column::numbers("more", vec![0.0]),
        ])
        .unwrap();
        let matrix = preparation.apply(&new).unwrap();
        assert_eq!((0..5).map(|c| matrix.at(0, c)).collect::<Vec<_>>(), [0.0, 0.0, 0.0, 20.0, 1.0]);
        let (without, _) = new.clone().split_off("town").unwrap();
        assert_eq!(preparation.apply(&without), Err(LearningError::NoColumn("town".into())));
        let wrong = Table::new(vec![Column::numbers("constant", vec![1.0]), Column::numbers("town", vec![1.0]), Column::numbers("age", vec![1.0])]).unwrap();
        assert!(matches!(preparation.apply(&wrong), Err(LearningError::Kind { .. })));
    }
}
