//! Which rows are learnt from and which are kept to judge with. All of it gives row numbers; what holds the rows is the caller's.
use crate::{LearningError, Random};

/// Rows to learn from and rows to judge with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

/// Rows in random order, `test_share` of them (rounded up, as scikit-learn does) to judge with. With `classes`, every class has the same share
/// in both parts.
///
/// # Errors
/// The share leaves a part empty, or a class has one row.
pub fn train_test(rows: usize, test_share: f64, classes: Option<&[usize]>, seed: u64) -> Result<Split, LearningError> {
    let share = "between 0 and 1, with a row on both sides";
    if !(test_share > 0.0 && test_share < 1.0) {
        return Err(LearningError::Setting { what: "the share of the test rows", rule: share, found: test_share.to_string() });
    }
    let test_rows = (rows as f64 * test_share).ceil() as usize;
    if rows < 2 || test_rows == 0 || test_rows >= rows {
        return Err(LearningError::Setting { what: "the share of the test rows", rule: share, found: format!("{test_share} of {rows} rows") });
    }
    let mut random = Random::new(seed);
    let Some(classes) = classes else {
        let mut order: Vec<usize> = (0..rows).collect();
        random.shuffle(&mut order);
        let train = order.split_off(test_rows);
        return Ok(Split { train, test: order });
    };
    crate::error::same_length("the list of classes", rows, classes.len())?;
    let mut groups = by_class(classes);
    if let Some(class) = groups.iter().position(|g| g.len() == 1) {
        return Err(LearningError::RareClass { class: class.to_string(), rows: 1, folds: 2 });
    }
    let (mut train, mut test) = (Vec::new(), Vec::new());
    let counts = shares(&groups.iter().map(Vec::len).collect::<Vec<_>>(), test_rows);
    for (group, count) in groups.iter_mut().zip(counts) {
        random.shuffle(group);
        test.extend_from_slice(&group[..count]);
        train.extend_from_slice(&group[count..]);
    }
    random.shuffle(&mut train);
    random.shuffle(&mut test);
    Ok(Split { train, test })
}

/// How `total` rows are divided over groups in proportion to their sizes: the largest remainders get the rest.
fn shares(sizes: &[usize], total: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let exact: Vec<f64> = sizes.iter().map(|&n| n as f64 * total as f64 / all.max(1) as f64).collect();
    let mut counts: Vec<usize> = exact.iter().map(|x| x.floor() as usize).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| (exact[b] - exact[b].floor()).total_cmp(&(exact[a] - exact[a].floor())));
    let mut left = total - counts.iter().sum::<usize>();
    for group in order.into_iter().cycle().take(sizes.len() * 2) {
        if left > 0 && counts[group] < sizes[group] {
            counts[group] += 1;
            left -= 1;
        }
    }
    counts
}

fn by_class(classes: &[usize]) -> Vec<Vec<usize>> {
    let mut groups = vec![Vec::new(); classes.iter().max().map_or(0, |m| m + 1)];
    for (row, &class) in classes.iter().enumerate() {
        groups[class].push(row);
    }
    groups
}

/// `folds` splits in which every row is judged once. With `classes`, each part has every class in the same share.
///
/// # Errors
/// Fewer than 2 parts, or more than rows.
pub fn folds(rows: usize, folds: usize, classes: Option<&[usize]>, seed: u64) -> Result<Vec<Split>, LearningError> {
    if folds < 2 || folds > rows {
        return Err(LearningError::Setting { what: "the number of parts", rule: "at least 2 and at most the number of rows", found: format!("{folds} for {rows} rows") });
    }
    let mut random = Random::new(seed);
    let groups = match classes {
        Some(classes) => {
            crate::error::same_length("the list of classes", rows, classes.len())?;
            by_class(classes)
        }
        None => vec![(0..rows).collect()],
    };
    let mut part_of = vec![0; rows];
    // Parts are dealt like cards, on through all classes, so that their sizes differ by at most one.
    let mut next = 0;
    for mut group in groups {
        random.shuffle(&mut group);
        for row in group {
            part_of[row] = next % folds;
            next += 1;
        }
    }
    let split = |part: usize| {
        let (test, train) = (0..rows).partition(|&row| part_of[row] == part);
        Split { train, test }
    };
    Ok((0..folds).map(split).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_judged_once_and_classes_are_shared_evenly() {
        let classes: Vec<usize> = (0..103).map(|i| usize::from(i % 4 == 0)).collect();
        let parts = folds(103, 5, Some(&classes), 7).unwrap();
        let mut seen: Vec<usize> = parts.iter().flat_map(|p| p.test.clone()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..103).collect::<Vec<_>>());
        for part in &parts {
            assert!((20..=21).contains(&part.test.len()), "{}", part.test.len());
            let ones = part.test.iter().filter(|&&r| classes[r] == 1).count();
            assert!((5..=6).contains(&ones), "{ones}");
            assert_eq!(part.train.len() + part.test.len(), 103);
        }
    }

    #[test]
    fn a_split_keeps_shares_and_repeats_with_its_seed() {
        let classes: Vec<usize> = (0..100).map(|i| usize::from(i < 10)).collect();
        let split = train_test(100, 0.2, Some(&classes), 1).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (80, 20));
        assert_eq!(split.test.iter().filter(|&&r| classes[r] == 1).count(), 2);
        assert_eq!(split, train_test(100, 0.2, Some(&classes), 1).unwrap());
        assert_ne!(split, train_test(100, 0.2, Some(&classes), 2).unwrap());
        assert_eq!(train_test(10, 0.25, None, 1).unwrap().test.len(), 3, "rounded up, as scikit-learn does");
    }

    #[test]
    fn impossible_shares_are_refused() {
        for (rows, share) in [(10, 0.0), (10, 1.0), (1, 0.5), (10, f64::NAN), (3, 0.99)] {
            assert!(train_test(rows, share, None, 0).is_err(), "{rows} {share}");
        }
        assert!(folds(3, 4, None, 0).is_err() && folds(3, 1, None, 0).is_err());
    }
}
