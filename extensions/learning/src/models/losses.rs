//! What gradient boosting descends: the loss's slope and curvature at each row's scores, and the best constant to begin with.
use super::{Target, sigmoid, softmax};

/// Share below which a class counts as that frequent when scores begin, so that logarithms stay finite.
const RARE: f64 = 1e-12;

/// Scores of a row: one for numbers and two classes, else one for each class.
pub fn scores(target: &Target) -> usize {
    match target {
        Target::Classes { count, .. } if *count > 2 => *count,
        _ => 1,
    }
}

/// The constant scores with the smallest loss.
pub fn beginning(target: &Target, rows: &[u32]) -> Vec<f64> {
    let count = rows.len() as f64;
    match target {
        Target::Numbers(values) => vec![rows.iter().map(|&r| values[r as usize]).sum::<f64>() / count],
        Target::Classes { codes, count: classes } => {
            let share = |class: usize| (rows.iter().filter(|r| codes[**r as usize] == class).count() as f64 / count).clamp(RARE, 1.0 - RARE);
            if *classes <= 2 {
                return vec![(share(1) / (1.0 - share(1))).ln()];
            }
            let logs: Vec<f64> = (0..*classes).map(|class| share(class).ln()).collect();
            let mean = logs.iter().sum::<f64>() / *classes as f64;
            logs.iter().map(|log| log - mean).collect()
        }
    }
}

/// Slope and curvature of the loss at every row for every score; lists are score by score.
pub fn slopes(target: &Target, rows: usize, at: &[f64], slope: &mut [f64], curvature: &mut [f64]) {
    match target {
        Target::Numbers(values) => {
            for row in 0..rows {
                (slope[row], curvature[row]) = (at[row] - values[row], 1.0);
            }
        }
        Target::Classes { codes, count } if *count <= 2 => {
            for row in 0..rows {
                let p = sigmoid(at[row]);
                (slope[row], curvature[row]) = (p - codes[row] as f64, p * (1.0 - p));
            }
        }
        Target::Classes { codes, count } => {
            let mut row_scores = vec![0.0; *count];
            for row in 0..rows {
                (0..*count).for_each(|k| row_scores[k] = at[k * rows + row]);
                softmax(&mut row_scores);
                for (k, &p) in row_scores.iter().enumerate() {
                    slope[k * rows + row] = p - f64::from(u8::from(codes[row] == k));
                    curvature[k * rows + row] = p * (1.0 - p);
                }
            }
        }
    }
}

/// The mean loss over some rows; scores are score by score.
pub fn mean_loss(target: &Target, total: usize, rows: &[u32], at: &[f64]) -> f64 {
    let one = |row: usize| match target {
        Target::Numbers(values) => (at[row] - values[row]).powi(2) / 2.0,
        Target::Classes { codes, count } if *count <= 2 => at[row].max(0.0) - at[row] * codes[row] as f64 + (-at[row].abs()).exp().ln_1p(),
        Target::Classes { codes, count } => {
            let score = |k: usize| at[k * total + row];
            let most = (0..*count).map(score).fold(f64::NEG_INFINITY, f64::max);
            most + (0..*count).map(|k| (score(k) - most).exp()).sum::<f64>().ln() - score(codes[row])
        }
    };
    rows.iter().map(|&row| one(row as usize)).sum::<f64>() / rows.len().max(1) as f64
}
