"""Prints what scikit-learn says, as JSON, for tests/scikit.rs: its bundled tables, and on them preparation, metrics, curves and models."""
import json
import os
import sys

# Threads of OpenMP that wait for each other on busy cores cost minutes.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from sklearn import datasets, linear_model, metrics, preprocessing
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict


def plain(value):
    """JSON has no NaN and no infinity: they become texts."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return value


def folds(y, classes):
    splitter = StratifiedKFold(5, shuffle=True, random_state=0) if classes else KFold(5, shuffle=True, random_state=0)
    part = np.zeros(len(y), dtype=int)
    for number, (_, test) in enumerate(splitter.split(np.zeros(len(y)), y)):
        part[test] = number
    return splitter, part


def table(name):
    data = getattr(datasets, "load_" + name)()
    classes = name != "diabetes"
    x, y = data.data, data.target
    splitter, part = folds(y, classes)
    out = {"columns": x.T, "target": y, "classes": classes, "part": part}
    scaler = preprocessing.StandardScaler().fit(x)
    out["standard"] = scaler.transform(x).T
    out["minmax"] = preprocessing.MinMaxScaler((-1, 2)).fit_transform(x).T
    scaled = scaler.transform(x)
    score = metrics.accuracy_score if classes else metrics.r2_score
    if classes:
        forest, extra, boosting = RandomForestClassifier(random_state=0), ExtraTreesClassifier(random_state=0), HistGradientBoostingClassifier(random_state=0)
        model = linear_model.LogisticRegression(C=0.5, tol=1e-12, max_iter=100_000).fit(scaled, y)
        out["logistic"] = model.predict_proba(scaled)
        probabilities = cross_val_predict(forest, x, y, cv=splitter, method="predict_proba")
        predicted = probabilities.argmax(axis=1)
        out["probabilities"], out["predicted"] = probabilities, predicted
        out["judged"] = judged_classes(y, predicted, probabilities)
        out["extra_trees_score"] = score(y, cross_val_predict(extra, x, y, cv=splitter))
        out["forest_score"] = score(y, predicted)
    else:
        forest, boosting = RandomForestRegressor(random_state=0), HistGradientBoostingRegressor(random_state=0)
        plain_model = linear_model.LinearRegression().fit(x, y)
        ridge = linear_model.Ridge(alpha=0.3, solver="cholesky").fit(x, y)
        out["linear"] = [*plain_model.coef_, plain_model.intercept_]
        out["ridge"] = [*ridge.coef_, ridge.intercept_]
        predicted = cross_val_predict(forest, x, y, cv=splitter)
        out["predicted"] = predicted
        out["judged"] = judged_numbers(y, predicted)
        out["forest_score"] = score(y, predicted)
    if name != "digits":  # a minute
        out["boosting_score"] = score(y, cross_val_predict(boosting, x, y, cv=splitter))
    return out


def judged_classes(y, predicted, probabilities):
    out = {
        "confusion": metrics.confusion_matrix(y, predicted),
        "report": metrics.classification_report(y, predicted, output_dict=True, zero_division=0),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        "matthews": metrics.matthews_corrcoef(y, predicted),
        "log_loss": metrics.log_loss(y, probabilities),
        "roc": [],
    }
    for label in range(probabilities.shape[1]):
        truth, scores = y == label, probabilities[:, label]
        fpr, tpr, thresholds = metrics.roc_curve(truth, scores)
        precision, recall, pr_thresholds = metrics.precision_recall_curve(truth, scores)
        out["roc"].append({
            "truth": truth, "scores": scores, "fpr": fpr, "tpr": tpr, "thresholds": thresholds,
            "area": metrics.roc_auc_score(truth, scores), "precision": precision, "recall": recall, "pr_thresholds": pr_thresholds,
            "average_precision": metrics.average_precision_score(truth, scores),
        })
    if probabilities.shape[1] > 2:
        out["roc_auc"] = metrics.roc_auc_score(y, probabilities, multi_class="ovr")
    else:
        out["roc_auc"] = metrics.roc_auc_score(y, probabilities[:, 1])
    return out


def judged_numbers(y, predicted):
    return {
        "r2": metrics.r2_score(y, predicted),
        "explained_variance": metrics.explained_variance_score(y, predicted),
        "mean_absolute_error": metrics.mean_absolute_error(y, predicted),
        "median_absolute_error": metrics.median_absolute_error(y, predicted),
        "mean_squared_error": metrics.mean_squared_error(y, predicted),
        "root_mean_squared_error": metrics.root_mean_squared_error(y, predicted),
        "mean_absolute_percentage_error": metrics.mean_absolute_percentage_error(y, predicted),
        "max_error": metrics.max_error(y, predicted),
    }


def preparation():
    """Holes, constants, categories: what the bundled tables do not have."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(60, 3)) * [1.0, 1e6, 1e-8] + [0.0, 1e9, 3.0]
    x[:, 2] = np.round(x[:, 2] * 3) / 3
    holes = x.copy()
    holes[rng.random(x.shape) < 0.2] = np.nan
    words = rng.choice(["red", "green", "blue", "Ärger", "a b"], size=60)
    other = rng.choice(["yes", "no"], size=60)
    texts = np.stack([words, other], axis=1)
    out = {"columns": holes.T, "words": words, "other": other}
    out["standard"] = preprocessing.StandardScaler().fit_transform(holes).T
    out["minmax"] = preprocessing.MinMaxScaler().fit_transform(holes).T
    for strategy in ["mean", "median", "most_frequent"]:
        out[strategy] = SimpleImputer(strategy=strategy).fit_transform(holes).T
    for name, drop in [("onehot", None), ("onehot_first", "first"), ("onehot_binary", "if_binary")]:
        encoder = preprocessing.OneHotEncoder(drop=drop, sparse_output=False).fit(texts)
        out[name] = {"names": list(encoder.get_feature_names_out(["words", "other"])), "columns": encoder.transform(texts).T}
    out["ordinal"] = preprocessing.OrdinalEncoder().fit_transform(texts).T
    return out


json.dump(plain({"tables": {name: table(name) for name in ["iris", "wine", "breast_cancer", "digits", "diabetes"]}, "preparation": preparation()}), sys.stdout)
