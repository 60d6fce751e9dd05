mod access;
mod accounts;
mod forgery;
mod hello;
mod input;
mod secrets;
