//! Authorization of rows: policies, grants, groups and roles on running sites.

mod agreement;
mod attacks;
mod desk;
mod guardian;
mod guide;
