//! What the shop sells: the same on every run, but for the prices that somebody changed.

use super::random::mix;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Products of the shop.
pub(super) const PRODUCTS: u32 = 200;

/// The categories they are in.
pub(super) const CATEGORIES: [&str; 8] =
    ["coffee", "tea", "honey", "bread", "cheese", "spices", "pasta", "oil"];

const QUALITIES: [&str; 10] =
    ["Dark", "Wild", "Golden", "Smoked", "Mountain", "Old", "Young", "Salted", "Sweet", "Plain"];
const ORIGINS: [&str; 10] =
    ["Alpine", "Andean", "Baltic", "Breton", "Cretan", "Frisian", "Iberian", "Nordic", "Sicilian", "Tuscan"];

/// A product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    id: u32,
}

/// The products and their prices.
pub(super) struct Catalogue {
    cents: Vec<AtomicU32>,
}

impl Catalogue {
    /// The catalogue as it is printed.
    pub(super) fn new() -> Self {
        let cents = |id| 150 + (mix(u64::from(id)) % 4850) as u32;
        Self { cents: (1..=PRODUCTS).map(|id| AtomicU32::new(cents(id))).collect() }
    }

    /// The product of this number, from 1.
    pub(super) fn product(&self, id: &str) -> Option<Product> {
        let id = id.parse().ok().filter(|id| (1..=PRODUCTS).contains(id))?;
        Some(Product { id })
    }

    /// Sets a price, in cents.
    pub(super) fn set_price(&self, product: Product, cents: u32) {
        self.price(product).store(cents, Relaxed);
    }

    /// A product's page.
    pub(super) fn page(&self, product: Product) -> Value {
        let mut page = self.row(product);
        page["description"] =
            json!(format!("{}. Ships in {} days.", product.name(), 1 + mix(u64::from(product.id)) % 5));
        page["stock"] = json!(mix(u64::from(product.id) + 1) % 100);
        page
    }

    /// A category's page; `None` for one that there is not.
    pub(super) fn category(&self, name: &str) -> Option<Value> {
        CATEGORIES.contains(&name).then(|| {
            let products: Vec<_> =
                all().filter(|product| product.category() == name).map(|product| self.row(product)).collect();
            json!({ "category": name, "products": products })
        })
    }

    /// The products whose name or category has a word in it, twenty at most.
    pub(super) fn search(&self, word: &str) -> Value {
        let word = word.to_ascii_lowercase();
        let found = all().filter(|product| product.name().to_ascii_lowercase().contains(&word));
        let products: Vec<_> = found.take(20).map(|product| self.row(product)).collect();
        json!({ "q": word, "products": products })
    }

    fn row(&self, product: Product) -> Value {
        let cents = self.price(product).load(Relaxed);
        json!({ "id": product.id, "name": product.name(), "category": product.category(), "price_cents": cents })
    }

    fn price(&self, product: Product) -> &AtomicU32 {
        &self.cents[product.id as usize - 1]
    }
}

impl Product {
    fn category(self) -> &'static str {
        CATEGORIES[self.id as usize % CATEGORIES.len()]
    }

    fn name(self) -> String {
        let (quality, origin) = (mix(u64::from(self.id)) as usize, mix(u64::from(self.id) << 32) as usize);
        format!(
            "{} {} {}",
            QUALITIES[quality % QUALITIES.len()],
            ORIGINS[origin % ORIGINS.len()],
            self.category()
        )
    }
}

fn all() -> impl Iterator<Item = Product> {
    (1..=PRODUCTS).map(|id| Product { id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_have_numbers() {
        let catalogue = Catalogue::new();
        for (id, there) in
            [("1", true), ("200", true), ("0", false), ("201", false), ("x", false), ("-1", false)]
        {
            assert_eq!(catalogue.product(id).is_some(), there, "{id}");
        }
    }

    #[test]
    fn a_price_shows_wherever_the_product_does() {
        let catalogue = Catalogue::new();
        let product = catalogue.product("42").unwrap();
        catalogue.set_price(product, 7);
        assert_eq!(catalogue.page(product)["price_cents"], 7);
        let category = catalogue.category(product.category()).unwrap();
        let row = category["products"].as_array().unwrap().iter().find(|row| row["id"] == 42).unwrap();
        assert_eq!(row["price_cents"], 7);
        assert!(catalogue.category("cars").is_none());
    }

    #[test]
    fn searches_find() {
        let catalogue = Catalogue::new();
        let found = catalogue.search("TEA");
        assert_eq!(found["products"].as_array().unwrap().len(), 20);
        assert_eq!(catalogue.search("no such thing")["products"], json!([]));
    }
}
