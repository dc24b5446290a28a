// Pictures of ten things in CIFAR-10's real format, for 05-cifar10.ipynb where the real ones are not at hand: `%run data/draw_pictures.rs` loads
// `drawn_pictures(folder, each)`. Things lie anywhere, in any size and paint, some behind a pole: as hard to tell apart as they need to be.
use rand::{Rng, SeedableRng, rngs::StdRng};

type Colour = [f32; 3];

/// Round or a box; its middle, half width and half height, in pixels from the middle of the picture.
type Piece = (bool, f32, f32, f32, f32, Colour);

/// What things are made of: a background, and pieces upon it.
fn thing(class: u8, paint: Colour, fur: Colour) -> (Colour, Vec<Piece>) {
    let (sky, road, room, meadow, sea) = ([0.6, 0.8, 0.95], [0.55, 0.55, 0.58], [0.8, 0.75, 0.65], [0.45, 0.6, 0.3], [0.25, 0.45, 0.7]);
    let (white, dark, green) = ([0.95; 3], [0.12, 0.12, 0.15], [0.35, 0.65, 0.2]);
    let wheel = |x: f32| (true, x, 6.0, 2.4, 2.4, dark);
    let eye = |x: f32, y: f32| (true, x, y, 1.1, 1.1, dark);
    let leg = |x: f32| (false, x, 7.0, 0.9, 4.0, fur);
    match class {
        0 => (sky, vec![(true, 0.0, 0.0, 12.0, 2.6, white), (false, -1.0, 0.0, 2.0, 8.0, [0.75; 3]), (false, -10.0, -3.0, 1.4, 3.0, paint)]),
        1 => (road, vec![(false, 0.0, 3.0, 11.0, 3.0, paint), (true, -1.0, 0.0, 6.0, 5.0, paint), (false, -1.0, -1.5, 4.0, 1.5, sky), wheel(-6.0), wheel(6.0)]),
        2 => (sky, vec![(true, 0.0, 0.0, 5.0, 3.0, fur), (true, -6.0, -3.0, 5.0, 1.5, fur), (true, 6.0, -3.0, 5.0, 1.5, fur)]),
        3 => (room, vec![(true, 0.0, 1.0, 7.5, 6.5, fur), (false, -5.0, -5.5, 1.8, 3.0, fur), (false, 5.0, -5.5, 1.8, 3.0, fur), eye(-2.5, 0.0), eye(2.5, 0.0)]),
        4 => (meadow, vec![(true, 0.0, 1.0, 8.0, 3.5, fur), leg(-5.0), leg(5.0), (false, 7.0, -4.0, 1.3, 4.5, fur), (false, 5.0, -10.0, 0.6, 3.0, fur), (false, 9.0, -10.0, 0.6, 3.0, fur)]),
        5 => (room, vec![(true, 0.0, 1.0, 6.5, 7.0, fur), (true, -6.5, 1.0, 2.2, 5.0, dark), (true, 6.5, 1.0, 2.2, 5.0, dark), eye(-2.5, -1.0), eye(2.5, -1.0), (true, 0.0, 4.0, 2.0, 1.3, dark)]),
        6 => (sea, vec![(true, 0.0, 3.0, 9.0, 5.0, green), (true, -4.0, -3.0, 2.4, 2.4, green), (true, 4.0, -3.0, 2.4, 2.4, green), eye(-4.0, -3.0), eye(4.0, -3.0)]),
        7 => (meadow, vec![(true, 0.0, 1.0, 9.0, 4.5, fur), leg(-6.0), leg(-3.0), leg(3.0), leg(6.0), (false, 8.0, -4.0, 2.2, 5.0, fur), (true, 10.0, -8.0, 3.5, 2.0, fur)]),
        8 => (sea, vec![(false, 0.0, -12.0, 20.0, 10.0, sky), (false, 0.0, 4.0, 11.0, 2.5, paint), (false, 0.0, -1.0, 5.0, 2.5, white), (false, 2.0, -6.0, 1.0, 4.0, dark)]),
        _ => (road, vec![(false, -3.0, -1.0, 8.0, 5.5, paint), (false, 7.5, 1.5, 3.0, 3.5, [0.8; 3]), (false, 8.0, 0.0, 2.0, 1.2, sky), wheel(-7.0), wheel(6.0)]),
    }
}

/// 32 by 32 pixels of a thing: red, then green, then blue.
fn draw(class: u8, random: &mut StdRng) -> Vec<u8> {
    let paint: Colour = std::array::from_fn(|_| random.random_range(0.1..0.95));
    let brown = random.random_range(0.25..0.9);
    let (back, mut pieces) = thing(class, paint, [brown, brown * 0.75, brown * 0.5]);
    let (dx, dy, scale): (f32, f32, f32) = (random.random_range(-8.0..8.0), random.random_range(-7.0..7.0), random.random_range(0.45..1.1));
    let (side, light, noise): (f32, f32, f32) = (if random.random() { 1.0 } else { -1.0 }, random.random_range(0.7..1.15), random.random_range(0.02..0.12));
    if random.random_bool(0.35) {
        let grey = random.random_range(0.2..0.8);
        pieces.push((false, random.random_range(-8.0..8.0), 0.0, random.random_range(1.5..4.0), 99.0, [grey, grey * 0.9, grey * 0.8]));
    }
    let mut planes = vec![0; 3 * 32 * 32];
    for at in 0..32 * 32 {
        let (x, y) = (side * ((at % 32) as f32 - 15.5 - dx) / scale, ((at / 32) as f32 - 15.5 - dy) / scale);
        let inside = |&&(round, cx, cy, w, h, _): &&Piece| {
            let (u, v) = ((x - cx) / w, (y - cy) / h);
            if round { u * u + v * v < 1.0 } else { u.abs().max(v.abs()) < 1.0 }
        };
        let colour = pieces.iter().rev().find(inside).map_or(back, |piece| piece.5);
        for channel in 0..3 {
            let level = colour[channel] * light * (1.0 - 0.006 * (at / 32) as f32) + random.random_range(-noise..noise);
            planes[channel * 32 * 32 + at] = (level.clamp(0.0, 1.0) * 255.0) as u8;
        }
    }
    planes
}

/// Five batches for training and one for testing, as the real data set has them: a byte for the class, 3,072 for the picture.
fn drawn_pictures(folder: &std::path::Path, each: usize) -> std::io::Result<String> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("batches.meta.txt"), ochre::data::CIFAR10_CLASSES.join("\n"))?;
    let names = (1..=5).map(|n| format!("data_batch_{n}.bin")).chain(["test_batch.bin".to_owned()]);
    for (seed, name) in names.enumerate() {
        let mut random = StdRng::seed_from_u64(seed as u64);
        let mut records = Vec::new();
        for _ in 0..each {
            let class = random.random_range(0..10);
            records.push(class);
            records.extend(draw(class, &mut random));
        }
        std::fs::write(folder.join(name), records)?;
    }
    Ok(folder.display().to_string())
}
