# frozen_string_literal: true

# A log-in and a WebSocket with Rails as `rails new` sets it up: hosts are checked in development, forms by their token and origin,
# WebSockets by their origin.
require "action_controller/railtie"
require "action_cable/engine"

class App < Rails::Application
  config.load_defaults 6.1
  config.root = __dir__
  config.secret_key_base = "of the tests"
  config.eager_load = false
  config.logger = Logger.new($stderr, level: :warn)
  config.session_store :cookie_store, key: "_app_session"
  config.action_cable.cable = { "adapter" => "async" }
end

App.initialize!
App.routes.draw do
  root to: "login#form"
  post "/login", to: "login#log_in"
  get "/welcome", to: "login#welcome", as: :welcome
end

class LoginController < ActionController::Base
  protect_from_forgery with: :exception

  def form
    render inline: '<%= form_tag "/login" do %><%= text_field_tag :user %><% end %>'
  end

  def log_in
    session[:user] = params[:user]
    redirect_to welcome_url, status: :see_other
  end

  def welcome
    render plain: "hello #{session[:user]}"
  end
end

module ApplicationCable
  class Connection < ActionCable::Connection::Base
  end
end

run App
