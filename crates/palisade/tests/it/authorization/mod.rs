//! Authorization of rows: policies, grants, groups and roles on running sites.

mod agreement;
mod attacks;
mod crawl;
mod desk;
mod escalation;
mod failures;
mod guardian;
mod guide;
mod privileges;
mod tenants;
