//! Copies, indices and sorting.
use super::*;

#[test]
fn copies_of_any_strides() {
    let mut dice = Dice::new(20);
    for _ in 0..300 {
        let (shape, dtype) = (dice.shape(5, 7), dice.one_of(&ALL));
        let x = dice.tensor(&shape, dtype);
        let copy = Cpu.copy(&x).expect("a copy");
        assert!(copy.layout.is_contiguous() && copy.shape() == shape);
        close("copy", &copy, &values(&x), 0.0);
        let down = Raw::cpu(Cpu.download(&x).expect("a download"), &shape);
        close("download", &down, &values(&x), 0.0);
        let to = dice.one_of(&ALL);
        // Integers lose their upper bits, floats stop at the ends.
        let narrow = |v: f64| if dtype.is_float() || to != DType::U8 { v } else { f64::from(v as i64 as u8) };
        let expected = values(&raw(&values(&x).into_iter().map(narrow).collect::<Vec<_>>(), &shape, to));
        close("cast", &Cpu.cast(&x, to).expect("a cast"), &expected, precision(to));
    }
}

#[test]
fn large_transposed_copies() {
    let mut dice = Dice::new(21);
    let x = dice.reals(&[3, 70, 500], DType::F32);
    let turned = x.with_layout(Layout { shape: [3, 500, 70].as_slice().into(), strides: [35_000, 1, 500].as_slice().into(), offset: 0 });
    close("transposed", &Cpu.copy(&turned).expect("a copy"), &values(&turned), 0.0);
}

#[test]
fn copies_into_views_leave_others_alone() {
    let mut dice = Dice::new(22);
    let mut target = dice.reals(&[4, 6], DType::F32);
    let shared = target.clone();
    let before = values(&target);
    target.layout = Layout { shape: [3, 2].as_slice().into(), strides: [6, 2].as_slice().into(), offset: 1 };
    let src = dice.tensor(&[3, 2], DType::F32);
    Cpu.copy_into(&mut target, &src).expect("a copy");
    close("the view", &target, &values(&src), 0.0);
    close("the other owner", &shared, &before, 0.0);
    target.layout = Layout::contiguous(&[4, 6]);
    let seen = [1, 3, 7, 9, 13, 15];
    values(&target).iter().zip(&before).enumerate().filter(|(i, _)| !seen.contains(i)).for_each(|(i, (now, then))| assert_eq!(now, then, "element {i}"));
}

fn indices(dice: &mut Dice, shape: &[usize], below: usize) -> Raw {
    let values: Vec<i64> = (0..shape.iter().product()).map(|_| dice.within(0, below - 1) as i64).collect();
    Raw::cpu(values.into(), shape)
}

#[test]
fn gathering_and_scattering() {
    let mut dice = Dice::new(23);
    for _ in 0..200 {
        let shape: Vec<usize> = (0..dice.within(1, 4)).map(|_| dice.within(1, 6)).collect();
        let dim = dice.within(0, shape.len() - 1);
        let dtype = dice.one_of(&[DType::I32, DType::I64, DType::F32, DType::F64, DType::BF16]);
        let x = dice.tensor(&shape, dtype);
        let mut index_shape: Vec<usize> = shape.iter().map(|size| dice.within(1, *size)).collect();
        index_shape[dim] = dice.within(0, 8);
        let index = indices(&mut dice, &index_shape, shape[dim]);
        let moved = |place: &[usize]| {
            let mut there = place.to_vec();
            there[dim] = at(&index, place) as usize;
            there
        };
        let all = places(&index_shape);
        let expected: Vec<f64> = all.iter().map(|place| at(&x, &moved(place))).collect();
        close("gather", &Cpu.gather(&x, dim, &index).expect("gather"), &expected, 0.0);

        let larger: Vec<usize> = index_shape.iter().map(|size| size + dice.within(0, 2)).collect();
        let src = dice.tensor(&larger, dtype);
        let mut sums = values(&x);
        let row_major = crate::layout::row_major(&shape);
        for place in &all {
            let to: usize = moved(place).iter().zip(&row_major).map(|(i, s)| i * s).sum();
            sums[to] += at(&src, place);
        }
        close("scatter_add", &Cpu.scatter_add(&x, dim, &index, &src).expect("scatter_add"), &sums, precision(dtype));
    }
}

#[test]
fn selecting_and_adding_slices() {
    let mut dice = Dice::new(24);
    for _ in 0..200 {
        let shape: Vec<usize> = (0..dice.within(1, 4)).map(|_| dice.within(1, 6)).collect();
        let dim = dice.within(0, shape.len() - 1);
        let dtype = dice.one_of(&[DType::U8, DType::I64, DType::F32, DType::F64, DType::F16]);
        let x = dice.tensor(&shape, dtype);
        let count = dice.within(0, 9);
        let index = indices(&mut dice, &[count], shape[dim]);
        let mut selected = shape.clone();
        selected[dim] = count;
        let there = |place: &[usize]| {
            let mut there = place.to_vec();
            there[dim] = at(&index, &[place[dim]]) as usize;
            there
        };
        let all = places(&selected);
        let expected: Vec<f64> = all.iter().map(|place| at(&x, &there(place))).collect();
        close("index_select", &Cpu.index_select(&x, dim, &index).expect("index_select"), &expected, 0.0);
        let src = dice.tensor(&selected, dtype);
        let mut sums = values(&x);
        let row_major = crate::layout::row_major(&shape);
        for place in &all {
            let to: usize = there(place).iter().zip(&row_major).map(|(i, s)| i * s).sum();
            sums[to] += at(&src, place);
        }
        if dtype == DType::U8 {
            sums.iter_mut().for_each(|s| *s %= 256.0);
        }
        close("index_add", &Cpu.index_add(&x, dim, &index, &src).expect("index_add"), &sums, precision(dtype));
    }
}

#[test]
fn sorting_is_stable_with_nan_last() {
    let mut dice = Dice::new(25);
    for _ in 0..100 {
        let shape: Vec<usize> = (0..dice.within(1, 3)).map(|_| dice.within(0, 40)).collect();
        let dim = dice.within(0, shape.len() - 1);
        let (dtype, descending) = (dice.one_of(&ALL), dice.next() % 2 == 0);
        let x = dice.tensor(&shape, dtype);
        let (sorted, order) = Cpu.sort(&x, dim, descending).expect("sort");
        assert_eq!((sorted.shape(), order.dtype), (shape.as_slice(), DType::I64));
        for place in places(&shape) {
            let mut there = place.clone();
            there[dim] = at(&order, &place) as usize;
            assert_eq!(at(&sorted, &place), at(&x, &there));
            if place[dim] > 0 {
                let mut before = place.clone();
                before[dim] -= 1;
                let (a, b) = (at(&sorted, &before), at(&sorted, &place));
                assert!(if descending { a >= b } else { a <= b });
                assert!(a != b || at(&order, &before) < at(&order, &place), "equal ones keep their order");
            }
        }
    }
    let x = raw(&[2.0, f64::NAN, -1.0, f64::INFINITY, f64::NAN], &[5], DType::F32);
    let (up, up_order) = Cpu.sort(&x, 0, false).expect("sort");
    close("ascending", &up, &[-1.0, 2.0, f64::INFINITY, f64::NAN, f64::NAN], 0.0);
    close("places", &up_order, &[2.0, 0.0, 3.0, 1.0, 4.0], 0.0);
    let (down, down_order) = Cpu.sort(&x, 0, true).expect("sort");
    close("descending", &down, &[f64::NAN, f64::NAN, f64::INFINITY, 2.0, -1.0], 0.0);
    close("places", &down_order, &[1.0, 4.0, 3.0, 0.0, 2.0], 0.0);
}

#[test]
fn memory_that_is_used_again_shows_nothing_of_before() {
    let len = 50_000;
    for _ in 0..3 {
        drop(Cpu.full(&[len], DType::F32, f64::NAN).expect("full"));
        let empty = Raw::cpu(Vec::<f32>::new().into(), &[len, 0]);
        let zeros = Cpu.matmul(&empty, &Raw::cpu(Vec::<f32>::new().into(), &[0, 1])).expect("matmul");
        assert!(values(&zeros).iter().all(|x| *x == 0.0), "a product over nothing is 0");
        let sums = Cpu.reduce(crate::backend::Reduce::Sum, &empty, &[1]).expect("sum");
        assert!(values(&sums).iter().all(|x| *x == 0.0), "a sum over nothing is 0");
    }
}
