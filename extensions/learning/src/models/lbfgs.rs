//! Limited-memory BFGS (Nocedal & Wright, algorithm 7.5) for smooth convex functions.
use std::collections::VecDeque;

/// Pairs of steps that the curvature is kept in.
const MEMORY: usize = 10;
/// Sufficient decrease of a step (Armijo).
const DECREASE: f64 = 1e-4;
/// Halvings of a step before the search ends: below is rounding.
const HALVINGS: usize = 40;

/// Minimises `function` (value and gradient, which it writes) from `start`, until no part of the gradient is larger than `tolerance`, `most`
/// steps are done, or `stop` says so.
pub fn minimise(start: Vec<f64>, tolerance: f64, most: usize, mut function: impl FnMut(&[f64], &mut [f64]) -> f64, stop: &dyn Fn() -> bool) -> Vec<f64> {
    let mut at = start;
    let mut gradient = vec![0.0; at.len()];
    let mut value = function(&at, &mut gradient);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    for _ in 0..most {
        if gradient.iter().all(|g| g.abs() <= tolerance) || stop() {
            break;
        }
        let mut direction = descent(&gradient, &pairs);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            pairs.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        // The first step has no curvature to know its length by.
        let mut length = if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut new_gradient = vec![0.0; at.len()];
        let mut found = None;
        for _ in 0..HALVINGS {
            let new: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let new_value = function(&new, &mut new_gradient);
            if new_value <= value + DECREASE * length * slope {
                found = Some((new, new_value));
                break;
            }
            length /= 2.0;
        }
        let Some((new, new_value)) = found else { break };
        let step: Vec<f64> = new.iter().zip(&at).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = new_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > f64::EPSILON * dot(&change, &change) {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back((step, change, curvature));
        }
        (at, value, gradient) = (new, new_value, new_gradient);
    }
    at
}

/// The gradient, turned by the inverse curvature, downwards.
fn descent(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for (step, change, curvature) in pairs.iter().rev() {
        let share = dot(step, &direction) / curvature;
        direction.iter_mut().zip(change).for_each(|(d, c)| *d -= share * c);
        shares.push(share);
    }
    if let Some((_, change, curvature)) = pairs.back() {
        let scale = curvature / dot(change, change);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for ((step, change, curvature), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = dot(change, &direction) / curvature;
        direction.iter_mut().zip(step).for_each(|(d, s)| *d += (share - back) * s);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_long_valley_is_followed_to_its_end() {
        // A quadratic whose axes differ by a factor of a million.
        let found = super::minimise(vec![5.0, 5.0], 1e-10, 500, |x, g| {
            (g[0], g[1]) = (2.0 * (x[0] - 1.0), 2e6 * (x[1] + 2.0));
            (x[0] - 1.0).powi(2) + 1e6 * (x[1] + 2.0).powi(2)
        }, &|| false);
        assert!((found[0] - 1.0).abs() < 1e-9 && (found[1] + 2.0).abs() < 1e-9, "{found:?}");
    }
}
