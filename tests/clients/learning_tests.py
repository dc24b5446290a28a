"""Sweeps and AutoML as a person uses them: the installed kernel, the store of runs, and MLflow's rules for what is in it."""
import json
import pathlib
import sqlite3
import tempfile
import unittest

from support import Kernel, plain, text, until

FRAME = """
let n = 300usize;
let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin() * 3.0).collect();
let kind: Vec<Option<&str>> = (0..n).map(|i| [Some("a"), Some("b"), None][i % 3]).collect();
let label: Vec<bool> = (0..n).map(|i| x[i] + (i % 3) as f64 > 1.0).collect();
let frame = df!("x" => x, "kind" => kind, "label" => label)?;
"""


def shown(outputs):
    """All that a person reads: streams and the texts of values."""
    values = [o["content"]["data"].get("text/plain", "") for o in outputs if "data" in o["content"]]
    return "\n".join([text(outputs), *values])


class LearningTests(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(held.cleanup)
        self.directory = pathlib.Path(held.name).resolve()
        self.kernel = Kernel(cwd=str(self.directory))
        self.addCleanup(self.kernel.close)

    def ok(self, code):
        reply, outputs = self.kernel.run(code)
        self.assertEqual(reply["status"], "ok", f"{code}: {plain(reply)}")
        return outputs

    def rows(self, query):
        database = sqlite3.connect(f"file:{self.directory / 'mlflow.db'}?mode=ro", uri=True, timeout=30)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def test_each_trial_of_a_sweep_is_a_run_below_the_active_one(self):
        self.ok("%start_run search")
        seen = shown(self.ok('''ochre::sweep(ochre::Space::new().float("x", 0.0, 1.0).metric("loss").parallel(2), 12, |trial| {
    for step in 0..3 { trial.report(step, trial.float("x")); }
    ochre::run::log_metric("inside", 1.0);
    trial.float("x")
})?'''))
        self.assertIn("12 of 12 trials", seen)
        self.ok("%end_run")
        parents = self.rows("select r.name, count(*) from tags t join runs r on r.run_uuid = t.value where t.key = 'mlflow.parentRunId' group by 1")
        self.assertEqual(parents, [("search", 12)])
        until("every trial's metrics", lambda: self.rows("select count(distinct run_uuid) from metrics where key = 'inside'") == [(12,)])
        until("every trial's result", lambda: self.rows("select count(*) from latest_metrics where key = 'loss'") == [(12,)])
        best = self.rows("select min(value) from latest_metrics where key = 'loss'")[0][0]
        # What is logged last is delivered a moment later.
        until("the best is logged", lambda: self.rows("select value from latest_metrics where key = 'best_loss'") == [(best,)])

    def test_an_interrupt_ends_a_sweep_whose_trials_run_on_all_cores(self):
        # An interrupt ends a sweep when the trials that run have heard of it.
        self.ok("let before = 7;")
        self.kernel.client.execute('''std::fs::write("began", "")?;
let forever = ochre::sweep(ochre::Space::new().float("x", 0.0, 1.0).parallel(2), 1_000_000, |trial| {
    for step in 0u64.. {
        std::fs::write("trial", "").ok();
        std::thread::sleep(std::time::Duration::from_millis(5));
        if trial.report(step, 0.0) { break; }
    }
    0.0
})?;''')
        until("a trial runs", lambda: (self.directory / "trial").exists())
        until("both have their runs", lambda: self.rows("select count(*) from runs where status = 'RUNNING' and name like 'trial-%'") == [(2,)])
        self.kernel.manager.interrupt_kernel()
        self.assertEqual(self.kernel.client.get_shell_msg(timeout=30)["content"]["status"], "error")
        self.assertEqual(self.kernel.value("before"), "7")
        self.assertEqual(self.kernel.run("forever")[0]["status"], "error")
        until("no run is left open", lambda: not self.rows("select name from runs where status = 'RUNNING'"), seconds=15)

    def test_automl_finds_saves_and_registers_a_model_that_later_cells_use(self):
        self.ok(FRAME)
        seen = shown(self.ok("%automl frame target=label --time 60s --candidates 4 --name late"))
        self.assertIn("registered as late version 1", seen)
        self.assertIn("Importance of columns", seen)
        source = pathlib.Path(self.rows("select storage_location from model_versions where name = 'late'")[0][0])
        model = json.loads((source / "model.json").read_text())
        self.assertEqual((model["target"], model["classes"]), ("label", ["false", "true"]))
        self.assertIn('"name":"kind","required":false', (source / "MLmodel").read_text())
        # The logged copy, in a cell that knows nothing of the search.
        accuracy = shown(self.ok(f'''let saved = ochre::ml::Model::load("{source}")?;
ochre::ml::confusion_matrix(frame.column("label")?, saved.predict(&frame)?.column("prediction")?)?.accuracy() > 0.95'''))
        self.assertIn("true", accuracy)

    def test_a_fitted_preparation_is_saved_and_applied_in_another_cell(self):
        self.ok(FRAME)
        self.ok('''let (train, test) = ochre::ml::stratified_split(&frame, "label", 0.25, 7)?;
let steps = ochre::ml::Pipeline::new().then(ochre::ml::OneHotEncoder::new()).then(ochre::ml::StandardScaler::new().columns(["x"]));
steps.fitted(&train)?.save("steps.json")?;''')
        seen = shown(self.ok('ochre::ml::Pipeline::load("steps.json")?.transform(&test)?'))
        for name in ["kind_a", "kind_b", "kind_missing", "75 rows"]:
            self.assertIn(name, seen)

    def test_judgements_are_charts(self):
        self.ok("let truth = [1, 0, 1, 1, 0];\nlet scores = [0.9, 0.2, 0.6, 0.4, 0.5];")
        for code in ["ochre::ml::roc_curve(&truth, &scores)?", "ochre::ml::precision_recall_curve(&truth, &scores)?", "ochre::ml::confusion_matrix(&truth, &[1, 0, 1, 0, 0])?"]:
            outputs = self.ok(code)
            kinds = [kind for output in outputs for kind in output["content"].get("data", {})]
            self.assertIn("application/vnd.vegalite.v5+json", kinds, code)
            self.assertIn("image/png", kinds, code)

    def test_a_training_logs_to_the_active_run_and_shows_bar_table_and_curves(self):
        self.ok("%start_run training")
        outputs = self.ok('''use ochre::{Fit, data::Dataset, nn};
ochre::manual_seed(1);
let x = Tensor::randn(&[512, 2]);
let data = Dataset::new(&x, &(x.select(1, 0) * x.select(1, 1)).gt(0).to_dtype(DType::I64)).with_classes(&["apart", "together"]);
let model = nn::Sequential::new().add(nn::Linear::new(2, 16)).add(nn::Tanh).add(nn::Linear::new(16, 2));
let (train, test) = data.split(0.75, 1);
let history = ochre::fit(&model, &train, &test, Fit { epochs: 5, rate: 0.02, ..Fit::default() });
history''')
        self.ok("%end_run")
        # An epoch has 6 steps.
        steps = "select step from metrics m join runs r using (run_uuid) where r.name = 'training' and key = '{}' order by step"
        until("an accuracy for each epoch", lambda: self.rows(steps.format("validation_accuracy")) == [(6,), (12,), (18,), (24,), (30,)])
        for name in ["loss", "accuracy", "validation_loss", "learning_rate", "epoch"]:
            self.assertEqual(self.rows(steps.format(name))[-1], (30,), name)
        logged = [v for v, in self.rows("select value from metrics where key = 'validation_loss' order by step")]
        self.assertTrue(logged[-1] < logged[0] < 2.0, logged)
        self.assertEqual(self.rows("select value from params where key = 'epochs'"), [("5",)])
        # What is shown: the bar first, then the table that changes in place, then the curves.
        kinds = []
        for output in outputs:
            data = output["content"].get("data", {})
            if output["msg_type"] == "display_data":
                kinds.append("bar" if "training" in data["text/plain"] else "table" if "validation accuracy" in data["text/plain"] else data["text/plain"])
            elif output["msg_type"] == "execute_result":
                kinds.append("curves" if "application/vnd.vegalite.v5+json" in data and "image/png" in data else "?")
        self.assertEqual(kinds, ["bar", "table", "curves"])
        updates = [o["content"]["data"]["text/html"] for o in outputs if o["msg_type"] == "update_display_data" and "validation accuracy" in o["content"]["data"].get("text/plain", "")]
        self.assertIn("5 of 5 epochs", updates[-1])
        frame = shown(self.ok("history.frame()?"))
        self.assertIn("5 rows", frame)
        self.assertIn("validation_accuracy", frame)
        spec = json.dumps(self.ok("history.chart()?")[-1]["content"]["data"]["application/vnd.vegalite.v5+json"])
        self.assertIn("accuracy in %", spec)
        judged = self.ok("let judged = ochre::evaluate(&model, &test);\njudged")[-1]["content"]["data"]
        self.assertIn("most often taken for", judged["text/html"])
        matrix = self.ok("judged.chart()?")[-1]["content"]["data"]
        self.assertIn("image/png", matrix)
        self.assertIn('"text": {"field": "__colour"', json.dumps(matrix["application/vnd.vegalite.v5+json"]))

    def test_judged_pictures_stand_with_what_was_said_wrong_ones_in_red(self):
        data = self.ok('''use ochre::{data::{Dataset, Loader}, nn};
let pictures = Tensor::randint(0, 256, &[30, 3, 8, 8]).to_dtype(DType::U8);
let data = Dataset::new(&pictures, &(Tensor::arange(0, 30, 1) % 3)).with_classes(&["a", "b", "c"]);
let model = nn::Sequential::new().add(nn::Flatten).add(nn::Linear::new(192, 3));
let judged = ochre::evaluate(&model, &Loader::new(&data).normalize(&[0.5; 3], &[0.25; 3]));
judged.pictures(&data, 12)''')[-1]["content"]["data"]
        self.assertIn("image/png", data)
        self.assertIn("<picture", data["text/plain"])
        refused = shown(self.ok("judged.pictures(&data.take(3), 12)"))
        self.assertIn("not the data that were judged", refused)
        self.assertIn("image/png", self.ok("data.pictures(6)")[-1]["content"]["data"])
        html = self.ok("data")[-1]["content"]["data"]["text/html"]
        self.assertIn("classes: a, b, c", html)
        self.assertIn("u8 [3, 8, 8]", html)

    def test_what_stays_on_the_cpu_and_what_spreads_is_said(self):
        # On a host with a GPU there is nothing to say of it.
        gpu = self.kernel.value("ochre::cuda::device_count()") != "0"
        fresh = Kernel(cwd=str(self.directory))
        self.addCleanup(fresh.close)
        said = [text(fresh.run("let device = Device::best();")[1], "stderr") for _ in range(2)]
        if gpu:
            self.assertEqual(said, ["", ""])
        else:
            self.assertIn("Tensors stay on the CPU: there is no NVIDIA driver here", said[0])
            self.assertEqual(said[1], "", "once")
            refused = plain(fresh.run("Tensor::zeros(&[2]).to_device(&Device::cuda(0))")[0])
            self.assertIn("Device::best()", refused)
        note = text(self.ok('''use ochre::{Fit, data::Dataset, nn};
let x = Tensor::from_vec((0..32).map(f64::from).collect::<Vec<_>>(), &[32, 1]);
let history = ochre::fit(&nn::Linear::new(1, 1), &Dataset::new(&x, &(&x * 2.0)), &(), Fit { epochs: 1, ..Fit::default() });'''), "stderr")
        self.assertIn("the inputs are f64 and the parameters f32", note)
