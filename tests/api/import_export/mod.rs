//! Imports and exports.

pub mod collaboration;
pub mod exports;
pub mod import_files;
pub mod import_load;
pub mod import_order;
pub mod imports;
pub mod translations;
