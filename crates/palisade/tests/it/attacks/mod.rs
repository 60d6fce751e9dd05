mod access;
mod accounts;
mod forgery;
mod hello;
mod identity;
mod input;
mod lockout;
mod secrets;
